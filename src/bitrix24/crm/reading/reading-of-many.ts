import type { ItemRef } from '../../../robot/ports/portal.ts';
import type { BatchAnswer, BatchCommand } from '../../rest/batch.ts';
import type { PortalRest } from '../../rest/rest.ts';
import { said } from '../../rest/writes.ts';
import * as commands from '../commands.ts';
import * as shapes from '../shapes.ts';
import { askAll, type Question } from './ask-lists.ts';
import type { Known } from './crm-read.ts';

const { COMPANY, CONTACT } = commands;

export type Facts = ReturnType<typeof shapes.itemFactsShape.parse>;

export interface ReadItem {
  ref: ItemRef;
  facts: Facts;
  link: ReturnType<typeof shapes.linkShape.parse> | null;
  /** Owner of the requisites: the other side of the item. */
  owner: [typeId: number, id: number] | null;
}

/** Answers to the commands of single readings, which lists or the commands themselves have brought. */
export function createReading(rest: PortalRest, memberId: string) {
  const answers = new Map<string, BatchAnswer>();
  const nameOf = ({ method, params }: BatchCommand) => `${method} ${JSON.stringify(params)}`;
  const put = (command: BatchCommand, result: unknown) => answers.set(nameOf(command), { ok: true, result });
  const resultOf = (command: BatchCommand): unknown => {
    const answer = answers.get(nameOf(command));
    return answer?.ok ? answer.result : undefined;
  };

  /** The command of a single reading itself; its refusal is an answer too. */
  const singly = (command: BatchCommand): Question => ({
    command,
    take(answer) {
      answers.set(nameOf(command), said(answer, command.method));
      return [];
    },
  });

  const itemOf = (ref: ItemRef): ReadItem | null => {
    const read = shapes.itemShape.safeParse(resultOf(commands.item(ref.typeId, ref.id)));
    if (!read.success) return null;
    const facts = shapes.itemFactsShape.parse(read.data.item);
    const link = shapes.linkShape.safeParse(resultOf(commands.link(ref))).data ?? null;
    return { ref, facts, link, owner: toOwner(ref, facts) };
  };

  return {
    put,
    resultOf,
    singly,
    itemOf,
    /** It is read by itself. */
    leave: (ref: ItemRef) => void answers.delete(nameOf(commands.item(ref.typeId, ref.id))),
    isGone(command: BatchCommand): boolean {
      const answer = answers.get(nameOf(command));
      return answer?.ok === false && answer.kind === 'gone';
    },
    has: (command: BatchCommand) => answers.has(nameOf(command)),
    ask: (questions: readonly Question[]) => askAll(rest, memberId, questions),
    known(command: BatchCommand): Known | undefined {
      const answer = answers.get(nameOf(command));
      return answer && { answer, isMeant: true, isLiteral: true };
    },
  };
}

export type Reading = ReturnType<typeof createReading>;

/** The other side of an item, as `readParty` takes it: its company before its contact. */
function toOwner(ref: ItemRef, facts: Facts): ReadItem['owner'] {
  if (ref.typeId === COMPANY || ref.typeId === CONTACT) return [ref.typeId, ref.id];
  if (facts.companyId !== null) return [COMPANY, facts.companyId];
  const contactId = facts.contactId ?? facts.contactIds[0];
  return contactId === undefined ? null : [CONTACT, contactId];
}
