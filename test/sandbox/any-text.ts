import fc from 'fast-check';

/** What has broken texts before, among all of UTF-16. */
const unit = fc.oneof(
  fc.constantFrom(
    ...[
      '\0',
      '\ud83d',
      '\ude80',
      '🚀',
      '👨‍👩‍👧',
      'e\u0301',
      '🇷🇺',
      '\u202e',
      '\u200b',
      '\ufeff',
      '\u00a0',
      '\r\n',
      '\u2028',
    ],
    ...[
      'я',
      'Договор',
      '. ',
      '»',
      '«',
      '"',
      "'",
      '\\',
      '%',
      '&',
      '=',
      '<b>',
      '[url]',
      '$result[w0]',
      '{',
      '|',
      '/',
    ],
  ),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
);

/** Any text at all, halves of pairs and NUL included; now and then a very long one. */
export const anyText = fc
  .tuple(fc.array(unit, { minLength: 1, maxLength: 40 }), fc.constantFrom(1, 1, 1, 1, 20, 300))
  .map(([units, times]) => units.join('').repeat(times));

/** A form as a hostile sender writes it: what JavaScript's own encoder refuses or mends is written all the same. */
export function encodeForm(form: Readonly<Record<string, string>>): string {
  return Object.entries(form)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}

function encode(text: string): string {
  return [...text]
    .map((letter) => (letter.isWellFormed() ? encodeURIComponent(letter) : encodeHalf(letter)))
    .join('');
}

/** The three bytes that a half of a pair would have in UTF-8. */
function encodeHalf(half: string): string {
  const code = half.charCodeAt(0);
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]
    .map((byte) => `%${byte.toString(16)}`)
    .join('');
}
