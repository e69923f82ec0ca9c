import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createSecretKeys,
  loadSecretKeys,
  parseSecretKeys,
  SecretError,
} from '../../../src/store/secrets/secrets.ts';

const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const keys = createSecretKeys(parseSecretKeys(key('a')));
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

describe('secret keys', () => {
  it('give back every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, context) => {
        expect(keys.decrypt(keys.encrypt(text, context), context)).toBe(text);
      }),
    );
  });

  it('never give the same envelope twice', () => {
    expect(keys.encrypt('token')).not.toBe(keys.encrypt('token'));
  });

  it('refuse an envelope with one letter changed', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(), (text, at) => {
        const envelope = keys.encrypt(text);
        const place = at % envelope.length;
        const changed = `${envelope.slice(0, place)}${envelope[place] === 'B' ? 'C' : 'B'}${envelope.slice(place + 1)}`;
        // The last letter of base64url may carry bits that decode to the same bytes.
        const bytes = (value: string) =>
          value
            .split('.')
            .map((part, i) => (i < 2 ? part : Buffer.from(part, 'base64url').toString('hex')))
            .join('.');
        fc.pre(bytes(changed) !== bytes(envelope));
        expect(() => keys.decrypt(changed)).toThrow(SecretError);
      }),
    );
  });

  it('open an envelope only where it was made', () => {
    expect(() => keys.decrypt(keys.encrypt('token', 'installation'), 'call')).toThrow(SecretError);
  });

  it('encrypt with the first and open with all, so that keys can be changed', () => {
    const [old, fresh] = [key('old'), key('new')];
    const envelope = createSecretKeys(parseSecretKeys(old)).encrypt('token');
    const both = createSecretKeys(parseSecretKeys(`${fresh}, ${old}`));
    expect(both.decrypt(envelope)).toBe('token');
    expect(both.encrypt('token')).toMatch(/^v1\.new\./);
    expect(() => createSecretKeys(parseSecretKeys(fresh)).decrypt(envelope)).toThrow('no key with id old');
  });

  it.each(['a:short', 'no-colon', '', `${'a'.repeat(40)}:${'A'.repeat(43)}=`])(
    'refuse the list %j',
    (list) => {
      expect(() => parseSecretKeys(list)).toThrow(SecretError);
    },
  );

  it('refuse an id given twice without showing a key', () => {
    const list = `${key('a')},${key('a')}`;
    expect(() => parseSecretKeys(list)).toThrow('SECRET_KEYS: id a is given twice');
  });

  it('are made once in DATA_DIR, closed to others, though two processes start together', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secrets-test-'));
    folders.push(folder);
    const dataDir = join(folder, 'data');
    const [one, two] = await Promise.all([loadSecretKeys({ dataDir }), loadSecretKeys({ dataDir })]);
    expect(two.decrypt(one.encrypt('token'))).toBe('token');
    expect((await stat(join(dataDir, 'keys'))).mode & 0o777).toBe(0o600);
  });
});
