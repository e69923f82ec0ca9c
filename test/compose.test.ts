import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const read = (file: string) => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), 'utf8');
const text = read('compose.yaml');

/** The lines below `service:` up to the next of its kind. */
const service = (name: string) =>
  new RegExp(`^ {2}${name}:.*\\n((?: {4}.*\\n|\\n)*)`, 'm').exec(text)?.[1] ?? '';

it('shows three replicas of their own volumes behind a balancer that asks each whether it is ready', () => {
  const replicas = [...text.matchAll(/^ {2}(replica-\d):/gm)].map((match) => match[1] ?? '');
  expect(replicas).toEqual(['replica-1', 'replica-2', 'replica-3']);
  for (const name of replicas) {
    expect(service(name)).toContain(`- ${name}-data:/data`);
    expect(text).toMatch(new RegExp(`^ {2}${name}-data:$`, 'm'));
    expect(text).toContain(`server ${name} ${name}:3000\n`);
  }
  expect(text).toContain('option httpchk GET /readyz');
  expect(service('replica-1')).toMatch(/profiles: \[replicas\]/);
  expect(service('replica-1')).toContain('SECRET_KEYS:?');
  expect(service('balancer')).toMatch(/profiles: \[replicas\]/);
});

it('starts one process where nothing else is said', () => {
  expect(service('service')).not.toContain('profiles');
  expect(service('postgres')).not.toContain('profiles');
});

it('the image holds the commands of an operator, and whatever they import', () => {
  const copied = [...read('Dockerfile').matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from = '']) =>
    from.split(' '),
  );
  const isCopied = (file: string) => copied.some((one) => file === one || file.startsWith(`${one}/`));
  // All but what is of use only beside the source: the demo and the bench with their stand-ins, and the documents.
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const needed = Object.entries(scripts).flatMap(([name, script]) =>
    /^(demo|bench|docs)/.test(name) ? [] : (/^node (scripts\/\S+)$/.exec(script)?.[1] ?? []),
  );
  // The list grows while it is walked.
  for (const file of needed)
    for (const [, from = ''] of read(file).matchAll(/^(?:import|\}) (?!type ).*from '(\.[^']+)';$/gm)) {
      const target = posix.join(posix.dirname(file), from);
      if (target.startsWith('scripts/') && !needed.includes(target)) needed.push(target);
    }
  expect(needed.length).toBeGreaterThan(6);
  expect(needed.filter((file) => !isCopied(file))).toEqual([]);
});

it('image and replicas start the service as `npm start` does', () => {
  const { start } = JSON.parse(read('package.json')).scripts;
  const [, words = ''] = /^CMD (\[.+\])$/m.exec(read('Dockerfile')) ?? [];
  expect(JSON.parse(words).join(' ')).toBe(start);
  expect(service('replica-1')).toContain(`exec ${start}'`);
});
