import type { FieldLabel } from '../../robot/ports/directum.ts';
import type { DocumentType } from '../types/document-types.ts';

/** What a step says of the document it wants (interface.md §3). */
export interface DocumentInputs {
  subject: string;
  document_kind?: string | undefined;
  category?: string | undefined;
  business_unit?: string | undefined;
  department?: string | undefined;
  amount?: { amount: number; currency: string | null } | undefined;
  vat_rate?: string | undefined;
  /** Calendar dates `YYYY-MM-DD`. */
  valid_from?: string | undefined;
  valid_till?: string | undefined;
  /** Portal users. */
  responsible?: number | undefined;
  our_signatory?: number | undefined;
  template?: string | undefined;
  file_field?: string | undefined;
  crm_template?: string | undefined;
  extra_fields?: string | undefined;
  slot: string;
  link_document_id?: number | undefined;
  if_exists: 'keep' | 'update';
}

/** The type of document a robot makes, and the titles of its fields, by which errors name them. */
export interface Making {
  type: DocumentType;
  label: Record<
    | 'kind'
    | 'category'
    | 'businessUnit'
    | 'department'
    | 'amount'
    | 'vatRate'
    | 'responsible'
    | 'signatory'
    | 'template'
    | 'file'
    | 'crmTemplate'
    | 'extra'
    | 'validFrom'
    | 'validTill'
    | 'link',
    FieldLabel
  >;
}
