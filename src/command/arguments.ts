import { parseArgs } from 'node:util';
import type { Language, LocalText } from '../robot/failure.ts';

/** An option as `--help` shows it; with `value` it takes one, with `many` it may be given again and again. */
interface Option {
  value?: string;
  many?: true;
  about: LocalText;
}
export type Options = Record<string, Option>;

export type Values<O extends Options> = {
  [K in keyof O]?: O[K] extends { many: true } ? string[] : O[K] extends { value: string } ? string : boolean;
};

/** How a command is given and what it does, for `--help` and for messages about mistakes. */
export interface Declaration<O extends Options = Options> {
  /** As it is typed: `npm run runs`. */
  call: string;
  about: LocalText;
  /** What may follow, one form a line. */
  forms: readonly string[];
  /** How many words may stand beside the options. */
  words?: number;
  options: O;
  /** Exit codes and what else is good to know. */
  notes?: LocalText;
}

interface Given<O extends Options> {
  values: Values<O>;
  words: string[];
  help: boolean;
}

const HELP: Options = {
  help: { about: { en: 'shows this and does nothing', ru: 'показывает эту справку и ничего не делает' } },
};

/** Reads what stands behind the command, or says what is wrong with it; our own words, because Node's are English only. */
export function readArguments<O extends Options>(
  declared: Declaration<O>,
  args: string[],
): Given<O> | { wrong: LocalText } {
  const options: Options = { ...declared.options, ...HELP };
  const { values, positionals, tokens } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value, many = false }]) => [
        name,
        {
          type: value === undefined ? 'boolean' : 'string',
          multiple: many,
          ...(name === 'help' && { short: 'h' }),
        } as const,
      ]),
    ),
  });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    const name = token.rawName;
    if (option === undefined) return { wrong: { en: `no option ${name}`, ru: `нет параметра ${name}` } };
    if (option.value === undefined && token.value !== undefined)
      return { wrong: { en: `${name} takes no value`, ru: `у ${name} нет значения` } };
    const isMissing = !token.inlineValue && (token.value ?? '-').startsWith('-');
    if (option.value !== undefined && isMissing)
      return {
        wrong: {
          en: `${name} needs a value: ${option.value}`,
          ru: `нужно значение: ${name} ${option.value}`,
        },
      };
  }
  const help = values['help'] === true;
  const extra = positionals[declared.words ?? 0];
  if (!help && extra !== undefined)
    return { wrong: { en: `unexpected argument: ${extra}`, ru: `лишний аргумент: ${extra}` } };
  return { values: values as Values<O>, words: positionals, help };
}

/** The forms in which the command may be given. */
export function toUsage({ call, forms }: Declaration, language: Language): string {
  const begin = { en: 'usage: ', ru: 'использование: ' }[language];
  const lines = forms.map((form) => (form === '' ? call : `${call} -- ${form}`));
  return lines.map((line, at) => (at === 0 ? begin : ' '.repeat(begin.length)) + line).join('\n');
}

/** All that `--help` says. */
export function toHelp(declared: Declaration, language: Language): string {
  const rows = Object.entries({ ...declared.options, ...HELP }).map(
    ([name, { value, about }]) => [`--${name}${value ? ` ${value}` : ''}`, about[language]] as const,
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    declared.about[language],
    toUsage(declared, language),
    rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`).join('\n'),
    ...(declared.notes ? [declared.notes[language]] : []),
  ].join('\n\n');
}
