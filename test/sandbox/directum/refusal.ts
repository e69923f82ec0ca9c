/** An answer that is not a success: status and the words Directum would use. */
export class Refusal extends Error {
  readonly status: number;
  /** A bare JSON string instead of an error object (contract A.9, fourth shape). */
  readonly bare: boolean;

  constructor(status: number, text: string, bare = false) {
    super(text);
    this.status = status;
    this.bare = bare;
  }
}

export const bad = (text: string) => new Refusal(400, text);
/** The refusal is in the contract, its words are not: they are invented here, and nothing may depend on them. */
export const invented = (text: string) => bad(text);
export const noRights = () => new Refusal(403, 'Нет прав на выполнение операции.');
export const missing = (text = 'Ресурс не найден.') => new Refusal(404, text);

let turn = 0;
/** Directum words the same trouble in several shapes; every next refusal takes the next one. */
export function errorBody(error: Refusal): unknown {
  if (error.bare) return error.message;
  turn += 1;
  const message = error.message;
  if (turn % 3 === 1) return { error: message };
  if (turn % 3 === 2) return { error: { code: '', message } };
  return { error: { code: '', message, details: [], innererror: { message, type: '', stacktrace: '' } } };
}
