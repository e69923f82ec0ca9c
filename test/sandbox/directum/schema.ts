const life = 'LifeCycleState:eDraft|Active|Obsolete';
const contractLife = 'LifeCycleState:eDraft|Active|Obsolete|Terminated|Closed';
const status = 'Status:eActive|Closed';
const taskStatus = 'Status:eDraft|InProcess|UnderReview|Completed|Aborted|Suspended';
const workStatus = 'Status:eInProcess|Completed|Aborted|Suspended';
const importance = 'Importance:eLow|Normal|High';
const assignment =
  `Subject:s ${workStatus} Result:s Deadline:t Created:t Modified:t Completed:t CompletedBy:>User Performer:>Recipient ` +
  `Author:>User Task:>Task MainTask:>Task IsRead:b ${importance} Texts:*TaskTexts AttachmentDetails:*TaskAttachmentDetails ThreadSubject:s ActiveText:sx`;
const money = 'TotalAmount:d Currency:>Currency VatRate:>VatRate VatAmount:d NetAmount:d';
const parties =
  'Counterparty:>Counterparty CounterpartySignatory:>Contact CounterpartySigningReason:s Contact:>Contact ResponsibleEmployee:>Employee PurchaseOrderNumber:s50';

/**
 * Module.Type<Base/Set@generation then its properties (contract chapter B): s string with length, i Int32, l id, d double, b bool,
 * t date-time, D date only, g guid, e enumeration, > reference, * rows, B body; ! = required by metadata. A base stands above its heirs.
 */
export const schema = `
~CoreEntities.Recipient/IRecipients Name:s750 Sid:g ${status}
CoreEntities.RecipientLinks Member:>Recipient
CoreEntities.Login/ILogins LoginName:s! TypeAuthentication:ePassword|Windows NeedChangePassword:b LockoutEndDate:t ${status}
CoreEntities.User<Recipient/IUsers Login:>Login
CoreEntities.Role<Recipient/IRoles Description:s IsSingleUser:b RecipientLinks:*RecipientLinks
Commons.Country/ICountries Name:s! Code:s10 ${status}
Commons.Region/IRegions Name:s! Country:>Country Code:s10 ${status}
Commons.City/ICities Name:s! Region:>Region Country:>Country ${status}
Commons.Currency/ICurrencies Name:s! AlphaCode:s! ShortName:s FractionName:s NumericCode:s3! IsDefault:b ${status}
Commons.VatRate/IVatRates Name:s! Rate:d Sid:s ${status}
Commons.ExternalEntityLink/IExternalEntityLinks EntityType:s36 EntityId:l ExtEntityType:s100 ExtEntityId:s36 ExtSystemId:s SyncDate:t IsDeleted:b Name:s ${status}
Docflow.MailDeliveryMethod/IMailDeliveryMethods Name:s! Note:s1000 Sid:s ${status}
Docflow.MediumType/IMediumTypes@4.11 Name:s! Sid:s ${status}
Content.AssociatedApplication/IAssociatedApplications Name:s! Extension:s! MonitoringType:eByProcess|ByWindow|Manual OpenByDefaultForReading:b ${status}
~Parties.Counterparty/ICounterparties Name:s! TIN:s50 PSRN:s50 NCEO:s50 NCEA:s500 Nonresident:b Phones:s Email:s Homepage:s LegalAddress:s500 PostalAddress:s500 Region:>Region City:>City Account:s34 Bank:>Bank Code:s10 Responsible:>Employee Note:s1000 ExternalId:s@4.8 CanExchange:b ${status}
~Parties.CompanyBase<Counterparty/ICompanyBases LegalName:s500 TRRC:s50 HeadCompany:>Company
Parties.Company<CompanyBase/ICompanies IsCardReadOnly:b Reliability:eHigh|Medium|Low ExternalId:s
Parties.Bank<CompanyBase/IBanks BIC:s50! CorrespondentAccount:s34 SWIFT:s11 IsSystem:b
Parties.Person<Counterparty/IPersons LastName:s! FirstName:s! MiddleName:s DateOfBirth:D Sex:eMale|Female INILA:s ShortName:s
Parties.Contact/IContacts Name:s750! Company:>CompanyBase! Person:>Person Department:s JobTitle:s Phone:s Fax:s Email:s Homepage:s Note:sx SigningReason:s ${status}
Company.JobTitle/IJobTitles Name:s! Department:>Department ExternalId:s ${status}
Company.BusinessUnit<Recipient/IBusinessUnits LegalName:s500 TIN:s50 TRRC:s50 PSRN:s50 NCEO:s50 NCEA:s500 LegalAddress:s500 PostalAddress:s500 Phones:s Email:s Homepage:s Account:s34 Bank:>Bank City:>City Region:>Region CEO:>Employee CAO:>Employee HeadCompany:>BusinessUnit Company:>Company Code:s10 Nonresident:b ExternalId:s
Company.Department<Recipient/IDepartments ShortName:s Manager:>Employee HeadOffice:>Department BusinessUnit:>BusinessUnit Phone:s Code:s10 Note:s1000 RecipientLinks:*RecipientLinks ExternalId:s
Company.Employee<User/IEmployees Person:>Person! Department:>Department! JobTitle:>JobTitle Phone:s Email:s PersonnelNumber:s25 Note:s1000 NeedNotifyExpiredAssignments:b NeedNotifyNewAssignments:b NeedNotifyAssignmentsSummary:b ExternalId:s@4.8
Docflow.DocumentType/IDocumentTypes Name:s! DocumentTypeGuid:s36 DocumentFlow:eIncoming|Outgoing|Inner|Contracts ${status}
Docflow.DocumentSendAction/IDocumentSendActions Name:s ActionGuid:s ${status}
Docflow.DocumentKindAvailableActions Action:>DocumentSendAction
Docflow.DocumentKind/IDocumentKinds Name:s! ShortName:s! Code:s10 DocumentType:>DocumentType! DocumentFlow:eIncoming|Outgoing|Inner|Contracts NumberingType:eNumerable|NotNumerable|Registrable GenerateDocumentName:b AutoNumbering:b IsDefault:b DeadlineInDays:i DeadlineInHours:i ProjectsAccounting:b GrantRightsToProject:b AvailableActions:*DocumentKindAvailableActions Note:s1000 ${status}
Docflow.KindLinks DocumentKind:>DocumentKind
~Docflow.DocumentGroupBase/IDocumentGroupBases Name:s! DocumentKinds:*KindLinks Note:s1000 ${status}
Contracts.ContractCategory<DocumentGroupBase/IContractCategories
Docflow.RegistrationGroup<Recipient/IRegistrationGroups RecipientLinks:*RecipientLinks
Docflow.DocumentRegister/IDocumentRegisters Name:s! Index:s NumberOfDigitsInNumber:i DocumentFlow:eIncoming|Outgoing|Inner|Contracts RegistrationGroup:>RegistrationGroup RegisterType:eRegistration|Numbering NumberingPeriod:eYear|Quarter|Month|Day|Continuous NumberingSection:eLeadingDocument|Department|BusinessUnit|NoSection ${status}
Docflow.BusinessUnitLinks BusinessUnit:>BusinessUnit
Docflow.DepartmentLinks Department:>Department
Docflow.RegistrationSetting/IRegistrationSettings Name:s! SettingType:eRegistration|Reservation|Numeration DocumentFlow:eIncoming|Outgoing|Inner|Contracts DocumentRegister:>DocumentRegister DocumentKinds:*KindLinks BusinessUnits:*BusinessUnitLinks Departments:*DepartmentLinks Priority:i ${status}
Docflow.SignatureSettingCategories Category:>DocumentGroupBase
Content.BinaryData Value:s
Content.ElectronicDocumentVersions Number:i Note:s1000 Created:t Modified:t Author:>User IsHidden:b AssociatedApplication:>AssociatedApplication BodyAssociatedApplication:>AssociatedApplication Body:B PublicBody:B ElectronicDocument:>ElectronicDocument
Docflow.OfficialDocumentTracking Action:eDelivery|Sending|Endorsement DeliveredTo:>Employee IsOriginal:b DeliveryDate:D ReturnDeadline:D ReturnDate:D ReturnResult:eReturned|Signed|NotSigned|AtControl Note:s1000 ReturnTask:>Task Iteration:i ExternalLinkId:i
Contracts.ContractualDocumentMilestones Name:s Deadline:D DaysToFinishWorks:i Performer:>Employee! IsCompleted:b Note:s Task:>Task
Content.ElectronicDocument/IElectronicDocuments Name:s Created:t Modified:t Author:>User AssociatedApplication:>AssociatedApplication HasRelations:b HasVersions:b HasPublicBody:b VersionsLocked:b LastVersionApproved:b LastVersionSignatureType:i Versions:*ElectronicDocumentVersions
Docflow.DocumentTemplate<ElectronicDocument/IDocumentTemplates DocumentKinds:*KindLinks BusinessUnits:*BusinessUnitLinks Departments:*DepartmentLinks ${status}
~Docflow.OfficialDocument<ElectronicDocument/IOfficialDocuments DocumentKind:>DocumentKind! Subject:s Note:s1000 BusinessUnit:>BusinessUnit Department:>Department PreparedBy:>Employee Assignee:>Employee OurSignatory:>Employee OurSigningReason:>SignatureSetting DocumentGroup:>DocumentGroupBase LeadingDocument:>OfficialDocument RegistrationNumber:s50 RegistrationDate:D DocumentRegister:>DocumentRegister Index:i RegistrationState:eRegistered|Reserved|NotRegistered ${life} InternalApprovalState:eOnApproval|OnRework|PendingSign|Signed|Aborted|PendingReview|Reviewed ExternalApprovalState:eOnApproval|Signed|Unsigned ExecutionState:eOnReview|Sending|WithoutExecut|OnExecution|Executed|Aborted ControlExecutionState:eOnControl|SpecialControl|WithoutControl|ControlRemoved ExchangeState:eSignAwaited|SignRequired|Sent|Received|Signed|Rejected|Terminated|Obsolete VerificationState:eInProcess|Completed LocationState:sx DocumentDate:D PlacedToCaseFileDate:D Tracking:*OfficialDocumentTracking IsReturnRequired:b IsHeldByCounterParty:b DeliveredTo:>Employee ReturnDeadline:D ReturnDate:D ScheduledReturnDateFromCounterparty:D ResponsibleForReturnEmployee:>Employee DeliveryMethod:>MailDeliveryMethod ExternalId:s@4.8 PaperCount:i AddendaPaperCount:i StoredIn:s LastVersionChanged:t Medium:>MediumType@4.11
Docflow.SimpleDocument<OfficialDocument/ISimpleDocuments
Docflow.Addendum<OfficialDocument/IAddendums LeadingDocument:>OfficialDocument!
~Contracts.ContractualDocument<OfficialDocument/IContractualDocuments ${parties} ${money} BusinessUnit:>BusinessUnit! Department:>Department! ValidFrom:D ValidTill:D IsStandard:b CounterpartyRegistrationNumber:s50 DaysToFinishWorks:i Milestones:*ContractualDocumentMilestones ${contractLife}
Contracts.Contract<ContractualDocument/IContracts IsFrameworkContract:b IsAutomaticRenewal:b ExternalId:s
Contracts.SupAgreement<ContractualDocument/ISupAgreements LeadingDocument:>Contract LeadingDocument:>ContractualDocument@4.11
~Docflow.AccountingDocumentBase<OfficialDocument/IDocflowAccountingDocumentBases Number:s50 Date:D ${parties} ${money} BusinessUnit:>BusinessUnit! LeadingDocument:>ContractualDocument IsAdjustment:b IsRevision:b Corrected:>AccountingDocumentBase IsFormalized:b FormalizedServiceType:eInvoice|Act|Waybill|GoodsTransfer|WorksTransfer|GeneralTransfer FormalizedFunction:eSchf|SchfDop|Dop SellerTitleId:i BuyerTitleId:i SellerSignatureId:i BuyerSignatureId:i
FinancialArchive.ContractStatement<AccountingDocumentBase/IContractStatements ExternalId:s
FinancialArchive.UniversalTransferDocument<AccountingDocumentBase/IUniversalTransferDocuments
FinancialArchive.Waybill<AccountingDocumentBase/IWaybills
Contracts.OutgoingInvoice<AccountingDocumentBase/IOutgoingInvoices TotalAmount:d! Currency:>Currency! LifeCycleState:eDraft|Active|Obsolete|Paid
Contracts.IncomingInvoice<AccountingDocumentBase/IIncomingInvoices Contract:>ContractualDocument PaymentDueDate:D ExternalId:s LifeCycleState:eDraft|Active|Obsolete|Paid
Docflow.SignatureSetting/ISignatureSettings Name:s Recipient:>Recipient! Reason:e!Duties|PowerOfAttorney|FormalizedPoA|Other Limit:e!NoLimit|Amount Amount:d Currency:>Currency DocumentFlow:e!All|Incoming|Outgoing|Inner|Contracts DocumentKinds:*KindLinks Categories:*SignatureSettingCategories BusinessUnits:*BusinessUnitLinks Departments:*DepartmentLinks ValidFrom:D ValidTill:D Document:>OfficialDocument JobTitle:>JobTitle SigningReason:s! Priority:i! ${status}
Docflow.ApprovalRuleApprovers Approver:>Recipient
Docflow.ApprovalRule/IApprovalRules Name:s! DocumentFlow:eIncoming|Outgoing|Inner|Contracts DocumentKinds:*KindLinks Approvers:*ApprovalRuleApprovers Priority:i ${status}
Workflow.ProcessKind/IProcessKinds@4.11 Uuid:g Name:s TaskType:s Priority:i ${status}
Workflow.TaskTexts Body:sx Created:t Modified:t Author:>User IsAutoGenerated:b
Workflow.TaskObservers Observer:>Recipient
Workflow.TaskAttachmentDetails GroupId:g AttachmentTypeGuid:g AttachmentId:l AttachedAt:t Task:>Task MainTask:>Task Assignment:>Assignment AttachedBy:>User
~Workflow.Task/ITasks Subject:s ${taskStatus} ${importance} Created:t Modified:t Started:t MaxDeadline:t Author:>User StartedBy:>User ThreadSubject:s ActiveText:sx MainTask:>Task ParentAssignment:>Assignment Texts:*TaskTexts Observers:*TaskObservers AttachmentDetails:*TaskAttachmentDetails ProcessKind:>ProcessKind@4.11
Workflow.SimpleTaskRouteSteps Performer:>Recipient
Workflow.SimpleTask<Task/ISimpleTasks AssignmentType:eAssignment|Notice Deadline:t RouteSteps:*SimpleTaskRouteSteps
Docflow.ApprovalTaskApprovers Approver:>Recipient
Docflow.ApprovalTask<Task/IApprovalTasks ApprovalRule:>ApprovalRule! Signatory:>Employee AddApprovers:*ApprovalTaskApprovers ReqApprovers:*ApprovalTaskApprovers StageNumber:i Iteration:i AbortingReason:s1000 ReworkReason:sx
Docflow.FreeApprovalTask<Task/IFreeApprovalTasks Approvers:*ApprovalTaskApprovers
DocflowApproval.DocumentFlowTask<Task/IDocumentFlowTasks@4.11 AbortingReason:s1000 AddApprovers:*ApprovalTaskApprovers RevokedDocumentsRights:b
~Workflow.Assignment/IAssignments ${assignment}
Workflow.SimpleAssignment<Assignment/ISimpleAssignments
Docflow.ApprovalAssignment<Assignment/IApprovalAssignments
Docflow.ApprovalSigningAssignment<Assignment/IApprovalSigningAssignments
Docflow.ApprovalRegistrationAssignment<Assignment/IApprovalRegistrationAssignments
Docflow.ApprovalReworkAssignment<Assignment/IApprovalReworkAssignments
Docflow.FreeApprovalAssignment<Assignment/IFreeApprovalAssignments
Docflow.FreeApprovalReworkAssignment<Assignment/IFreeApprovalReworkAssignments
Docflow.FreeApprovalFinishAssignment<Assignment/IFreeApprovalFinishAssignments
DocflowApproval.EntityApprovalAssignment<Assignment/IEntityApprovalAssignments@4.11
DocflowApproval.SigningAssignment<Assignment/ISigningAssignments@4.11
DocflowApproval.EntityReworkAssignment<Assignment/IEntityReworkAssignments@4.11
Workflow.Notice/INotices Subject:s Created:t Modified:t Author:>User Performer:>Recipient Task:>Task MainTask:>Task IsRead:b ThreadSubject:s ${importance} AttachmentDetails:*TaskAttachmentDetails
`;
