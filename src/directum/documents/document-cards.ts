import type { AbsencePort } from '../../documents/ports/changes.ts';
import type { DocumentType } from '../../documents/types/document-types.ts';
import { cut } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, DocumentCard, DocumentDraft } from '../../robot/ports/directum.ts';
import type { Log } from '../../robot/ports/log.ts';
import { parseExtra } from '../directories/extra-fields.ts';
import { badAnswer, lostRights } from '../http/errors.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { equalValues, idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';
import { DOCUMENTS } from '../odata/visibility.ts';
import { createKeyLookups, hasKey, keyOf, noteWithKey } from './document-keys.ts';
import { toProperties } from './document-properties.ts';
import { createLeadingDocuments } from './leading-documents.ts';
import { createRegistration } from './registration.ts';

const READ = [
  'Name',
  'RegistrationNumber',
  'ExternalId',
  'LifeCycleState',
  'InternalApprovalState',
  'ExternalApprovalState',
  'LastVersionApproved',
  'HasVersions',
];

const KEY_NOT_NEEDED = new Set<string>(['directum_refused', 'directum_access_denied']);

interface Ports extends DirectumContext {
  transport: Transport;
  links: Links;
  absence: AbsencePort;
  log: Log;
}

/** Cards of documents (directum.md B.4, B.5, J.1, J.2, J.6; interface.md directum_create_contract). */
export function createDocumentCards({
  transport,
  links,
  absence,
  log,
  ...context
}: Ports): DirectumPort['documents'] {
  const { reader, metadata } = context;
  const { registerOf, register } = createRegistration({ ...context, transport, log });

  async function query(type: DocumentType, extra: readonly string[] = []) {
    const { entity, leading } = type;
    const can = await metadata.capabilities();
    const own = [...(hasKey(can, type) ? [] : ['Note']), ...(leading ? [leading.property] : [])];
    const names = [...new Set([...READ, ...own, ...extra])];
    const isRef = (name: string) => can.property(entity, name)?.startsWith('>') === true;
    const refs: Record<string, { select: string[] }> = {};
    if (can.property(entity, 'Counterparty') !== null || type.code === 'contract')
      refs['Counterparty'] = { select: ['Id', 'Name'] };
    for (const name of names.filter(isRef)) refs[name] ??= { select: ['Id'] };
    if (can.property(entity, 'HasVersions') === null) refs['Versions'] = { select: ['Id'] };
    return {
      set: can.need(entity),
      select: ['Id', ...can.having(entity, names).filter((name) => !isRef(name))],
      expand: refs,
    };
  }

  function toCard(type: DocumentType, row: Row): DocumentCard {
    const id = idOf(row);
    const counterparty = refOf(row, 'Counterparty');
    const versions = row['Versions'];
    return {
      id,
      name: textOf(row, 'Name') ?? '',
      url: links.documentUrl(id, type.entity),
      registrationNumber: textOf(row, 'RegistrationNumber'),
      counterparty:
        counterparty === null ? null : { id: counterparty, url: links.counterpartyUrl(counterparty) },
      leadingId: type.leading === null ? null : refOf(row, type.leading.property),
      externalId: keyOf(row),
      lifeCycleState: textOf(row, 'LifeCycleState'),
      internalApprovalState: textOf(row, 'InternalApprovalState'),
      externalApprovalState: textOf(row, 'ExternalApprovalState'),
      lastVersionApproved: row['LastVersionApproved'] === true,
      hasVersions: row['HasVersions'] === true || (Array.isArray(versions) && versions.length > 0),
    };
  }

  async function byId(type: DocumentType, id: number): Promise<DocumentCard | null> {
    if (!(await metadata.capabilities()).isId(id)) return null;
    const { set, ...rest } = await query(type);
    const row = await reader.one(set, id, rest);
    if (row) return toCard(type, row);
    if ((await seen(id)) === 'gone') return null;
    const again = await reader.one(set, id, rest);
    if (again) return toCard(type, again);
    const { noun, ofNoun } = type.texts;
    throw new RobotFailure('document_not_found', {
      ru: `Документ с ИД ${id} в Directum — не ${noun.ru}. Укажите ИД ${ofNoun.ru} или верните документу прежний тип.`,
      en: `The document with id ${id} in Directum is no ${noun.en}. Give the id ${ofNoun.en} or return the document to its former type.`,
    });
  }

  /** @throws RobotFailure directum_unavailable while rights seem to be lost */
  async function seen(id: number | null): Promise<'gone' | 'shown'> {
    const seen = await absence.ofDocument(id);
    if (seen === 'unknown') throw lostRights(DOCUMENTS);
    return seen;
  }

  const { byExternalId, holderOf } = createKeyLookups({
    ...{ reader, metadata, log, query, toCard },
    proveRights: () => seen(null),
  });

  async function noteOf(set: string, id: number, key: string): Promise<string> {
    const row = await reader.one(set, id, { select: ['Id', 'Note'] });
    return noteWithKey(row && textOf(row, 'Note'), key);
  }

  /** Of a card that could be read a moment ago. */
  async function unreadable(type: DocumentType, id: number): Promise<RobotFailure> {
    await seen(id);
    return gone(type);
  }

  async function create(type: DocumentType, externalId: string, draft: DocumentDraft): Promise<DocumentCard> {
    const can = await metadata.capabilities();
    const set = can.need(type.entity);
    // Kinds without a generated name need one; the others build their own (directum.md J.1).
    const body = {
      ...toProperties(type, draft),
      Name: cut(draft.name ?? draft.subject ?? '', 250),
      ...(hasKey(can, type) ? { ExternalId: externalId } : { Note: noteWithKey(draft.note, externalId) }),
    };
    let made: unknown;
    try {
      made = await transport.send('POST', set, body);
    } catch (error) {
      // Not Directum's: the run was taken over, and the log must say so where both have made a card.
      if (!(error instanceof RobotFailure)) await byExternalId(type, externalId).catch(() => null);
      if (!(error instanceof RobotFailure) || error.code !== 'directum_unavailable') throw error;
      // The card may have been made although no answer came (directum.md J.6): it is looked for before reporting.
      const late = await byExternalId(type, externalId);
      if (!late) throw error;
      log.info(`${type.code}.found_after_fault`, { documentId: late.id });
      return late;
    }
    if (isRow(made) && textOf(made, 'Name') !== null && 'RegistrationNumber' in made) {
      return toCard(type, {
        ...made,
        ...(draft.counterpartyId !== undefined && { Counterparty: { Id: draft.counterpartyId } }),
        ...(type.leading &&
          draft.leadingId !== undefined && { [type.leading.property]: { Id: draft.leadingId } }),
        ExternalId: externalId,
      });
    }
    // `Return: minimal` by configuration, or an answer without what we tell: the card is read.
    const read = isRow(made) ? await byId(type, idOf(made)) : await byExternalId(type, externalId);
    // Without a card and without a trace of it nothing is known to have been made: it is tried again.
    if (!read) throw isRow(made) ? await unreadable(type, idOf(made)) : badAnswer('no entity');
    return read;
  }

  async function update(
    type: DocumentType,
    id: number,
    draft: DocumentDraft,
    onWrite?: (properties: string[]) => Promise<void>,
  ) {
    const wanted = toProperties(type, draft);
    const { set, ...rest } = await query(type, Object.keys(wanted));
    const row = await reader.one(set, id, rest);
    if (!row) throw await unreadable(type, id);
    const key = hasKey(await metadata.capabilities(), type) ? null : keyOf(row);
    if (key !== null && draft.note !== undefined) wanted['Note'] = noteWithKey(draft.note, key);
    const patch: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(wanted)) {
      if (!equalValues(row[name], value)) patch[name] = value;
    }
    // A name that is our own subject is kept in step; a generated one is Directum's.
    const isOurName = textOf(row, 'Name') !== null && textOf(row, 'Name') === textOf(row, 'Subject');
    if ('Subject' in patch && isOurName) patch['Name'] = patch['Subject'];
    const changedFields = Object.keys(patch);
    if (changedFields.length === 0) return { card: toCard(type, row), changedFields };
    await onWrite?.(changedFields);
    try {
      await transport.send('PATCH', `${set}(${id})`, patch);
    } catch (error) {
      // Written although no answer came: a repeat would find nothing to write and tell nobody of the change.
      const unsure = error instanceof RobotFailure && error.code === 'directum_unavailable';
      const now = unsure ? await reader.one(set, id, rest).catch(() => null) : null;
      // Directum may build the name anew.
      const written = (name: string) => name === 'Name' || equalValues(now?.[name], patch[name]);
      if (now === null || !changedFields.every(written)) throw error;
    }
    const card = await byId(type, id);
    if (!card) throw gone(type);
    log.info(`${type.code}.updated`, { documentId: id, changedFields });
    return { card, changedFields };
  }

  return {
    byId,
    byExternalId,
    holderOf,
    leading: createLeadingDocuments({ ...context, links }, seen),
    having: async ({ entity }, names) => new Set((await metadata.capabilities()).having(entity, names)),
    registerOf,
    register,
    create,
    update,
    async belong(type, id, leadingId) {
      const card = await byId(type, id);
      if (!card) throw await unreadable(type, id);
      if (type.leading === null || card.leadingId === leadingId) return card;
      const set = (await metadata.capabilities()).need(type.entity);
      await transport.send('PATCH', `${set}(${id})`, { [type.leading.property]: { Id: leadingId } });
      const again = await byId(type, id);
      if (again?.leadingId !== leadingId)
        log.warn(`${type.code}.leading_not_kept`, { documentId: id, leadingId });
      return again ?? card;
    },
    async adopt(type, id, externalId) {
      const card = await byId(type, id);
      if (!card) throw gone(type);
      if (card.externalId === externalId) return;
      if (card.externalId !== null) {
        // Another integration's key (directum.md H.1); our own store remembers the link.
        log.info(`${type.code}.key_foreign`, { documentId: id });
        return;
      }
      const can = await metadata.capabilities();
      const set = can.need(type.entity);
      try {
        const written = hasKey(can, type)
          ? { ExternalId: externalId }
          : { Note: await noteOf(set, id, externalId) };
        await transport.send('PATCH', `${set}(${id})`, written);
      } catch (error) {
        const closed = error instanceof RobotFailure && KEY_NOT_NEEDED.has(error.code);
        if (!closed) throw error;
        // A document that may only be read is bound all the same; our own store remembers the link.
        log.warn(`${type.code}.key_not_written`, { documentId: id, error });
      }
    },
    async properties(type, id, names) {
      const can = await metadata.capabilities();
      if (!can.isId(id)) return null;
      const types = new Map(names.map((name) => [name, can.property(type.entity, name)]));
      const missing = [...types].find(([, found]) => found === null)?.[0];
      if (missing !== undefined) throw noProperty(type, missing);
      const isRef = (name: string) => types.get(name)?.startsWith('>') === true;
      const refs = Object.fromEntries(names.filter(isRef).map((name) => [name, { select: ['Id', 'Name'] }]));
      const ask = () =>
        reader.one(can.need(type.entity), id, {
          select: ['Id', ...names.filter((name) => !isRef(name) && name !== 'Id')],
          ...(Object.keys(refs).length > 0 && { expand: refs }),
        });
      const row = (await ask()) ?? ((await seen(id)) === 'gone' ? null : await ask());
      return row === null ? null : Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
    },
    parseExtra: (...given) => parseExtra(metadata, ...given),
  };
}

function noProperty({ texts }: DocumentType, name: string): RobotFailure {
  return new RobotFailure('input_invalid', {
    ru: `«${name}»: в карточке ${texts.ofNoun.ru} Directum нет такого свойства; проверьте имя, включая регистр букв.`,
    en: `«${name}»: Directum's ${texts.noun.en} card has no such property; check the name and its case.`,
  });
}

function gone({ texts }: DocumentType): RobotFailure {
  return new RobotFailure('document_not_found', texts.gone);
}
