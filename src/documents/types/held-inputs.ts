/** Properties that hold an input, for those that not every type has (directum.md B.4, B.5). */
export const HELD_IN = {
  amount: 'TotalAmount',
  vat_rate: 'VatRate',
  responsible: 'ResponsibleEmployee',
  payment_due: 'PaymentDueDate',
  valid_from: 'ValidFrom',
  valid_till: 'ValidTill',
  our_signatory: 'OurSignatory',
  department: 'Department',
  business_unit: 'BusinessUnit',
} as const;
