const FIELD = /\{([A-Za-z][A-Za-z0-9_]*)\}/g;

/** Codes of the fields that a text takes from the item. */
export const fieldsIn = (text: string): string[] => [...text.matchAll(FIELD)].map(([, code = '']) => code);

/** The text with each `{FIELD}` replaced. */
export const replaceFields = (text: string, of: (code: string) => string): string =>
  text.replace(FIELD, (_, code: string) => of(code));

/** The code when the text is nothing but one `{FIELD}`; else null. */
export function onlyField(text: string): string | null {
  const [code, ...others] = fieldsIn(text);
  return code !== undefined && others.length === 0 && text.trim() === `{${code}}` ? code : null;
}
