import type { LocalText } from '../../robot/failure.ts';

/** Something that the operator can mend, in words for them; holds no secret. */
export class ToldError extends Error {
  readonly text: LocalText;
  constructor(text: LocalText, options?: ErrorOptions) {
    super(text.en, options);
    this.text = text;
  }
}

/** There is nothing to work with yet, and this command makes nothing. */
export class NotThere extends ToldError {
  override readonly name = 'NotThere';
}
