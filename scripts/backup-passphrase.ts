/** Shorter ones are guessed from a stolen file. */
export const LEAST_PASSPHRASE = 12;

/** Letters are counted as a person does, in the form the key is made of. */
export function isShort(passphrase: string): boolean {
  return [...passphrase.normalize('NFC')].length < LEAST_PASSPHRASE;
}
