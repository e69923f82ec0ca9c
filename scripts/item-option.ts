import { toItemRef } from '../src/bitrix24/robots/robot-call.ts';
import { Refusal } from '../src/command/command.ts';

/** The code of the item that `--item` names: `DEAL_915`, or `915` for a deal. @throws Refusal for what names none */
export function readItem(written: string): string {
  const text = written.trim().toUpperCase();
  const item = toItemRef(/^\d+$/.test(text) ? `DEAL_${text}` : text);
  if (item !== null) return item.code;
  throw new Refusal({
    en: '--item: a CRM item such as DEAL_915 (or 915, a deal), LEAD_7, SMART_INVOICE_3 or DYNAMIC_1032_12 is expected',
    ru: '--item: нужен элемент CRM вида DEAL_915 (или 915, сделка), LEAD_7, SMART_INVOICE_3, DYNAMIC_1032_12',
  });
}
