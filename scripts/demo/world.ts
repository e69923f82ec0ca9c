import type { Portal } from '../../test/sandbox/portal/portal.ts';

export const SYNC = 'directum_sync_counterparty';
export const CREATE = 'directum_create_contract';
export const APPROVE = 'directum_start_approval';
export const WAIT = 'directum_wait_signature';
export const DOCUMENT = 'directum_create_document';
export const CONTRACT_STAGE = 'C1:CONTRACT';
export const SIGNED_STAGE = 'C1:SIGNED';
export const WON_STAGE = 'C1:WON';
export const INVOICE_STAGE = 'C1:INVOICE';
/** What the designer fills in on the robot that makes the contract. */
const CONTRACT = { subject: 'Договор по сделке {=Document:TITLE}', template: 'Типовой договор' };

/** Three people, a company with requisites, its deal, and robots and a trigger on the stages it will pass. */
export function furnish(portal: Portal) {
  const manager = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов', EMAIL: 'ivanov@acme.example' });
  const lawyer = portal.addUser({ NAME: 'Анна', LAST_NAME: 'Петрова', EMAIL: 'petrova@acme.example' });
  const director = portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Сидоров', EMAIL: 'sidorov@acme.example' });
  const company = portal.addCompany({ TITLE: 'Ромашка' });
  portal.addRequisite({
    ENTITY_TYPE_ID: 4,
    ENTITY_ID: company,
    PRESET_ID: 1,
    ACTIVE: 'Y',
    SORT: 100,
    RQ_INN: '7799000012',
    RQ_KPP: '779901001',
    RQ_OGRN: '1027700000008',
    RQ_COMPANY_NAME: 'ООО «Ромашка»',
    RQ_COMPANY_FULL_NAME: 'Общество с ограниченной ответственностью «Ромашка»',
  });
  const deal = portal.addItem(2, {
    title: 'Поставка станка',
    categoryId: 1,
    companyId: company,
    opportunity: 1200000,
    currencyId: 'RUB',
    assignedById: manager,
  });
  portal.placeRobot(CONTRACT_STAGE, SYNC, { update_mode: 'fill' });
  portal.placeRobot(CONTRACT_STAGE, CREATE, CONTRACT, { after: true });
  portal.placeRobot(CONTRACT_STAGE, APPROVE, { approval_type: 'rule' }, { after: true });
  portal.placeRobot(CONTRACT_STAGE, WAIT, { max_wait_hours: 240 }, { after: true });
  const act = { document_type: 'act', require_signed: 'both', template: 'Акт выполненных работ' };
  portal.placeRobot(WON_STAGE, DOCUMENT, act);
  portal.placeRobot(WON_STAGE, APPROVE, { slot: 'act', approval_type: 'rule' }, { after: true });
  portal.placeRobot(WON_STAGE, WAIT, { slot: 'act', max_wait_hours: 240 }, { after: true });
  portal.placeRobot(INVOICE_STAGE, DOCUMENT, { document_type: 'outgoing_invoice' });
  portal.addStage(2, SIGNED_STAGE, 'Договор подписан');
  portal.placeTrigger(SIGNED_STAGE, 'directum_signed_both');
  return { manager, lawyer, director, deal };
}
