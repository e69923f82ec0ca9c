import type { Ask, Reply } from './ask.ts';
import { bad, missing, Refusal } from './refusal.ts';
import type { Entity, Store } from './store.ts';
import { fromBase64, newBody } from './write.ts';

let flip = false;

/** Bodies of versions (contract C); changing one does not save the card. */
export function answerBody(
  store: Store,
  ask: Ask,
  version: Entity,
  path: string[],
  json: () => unknown,
): Reply {
  const [name = '', tail] = path;
  if (!['Body', 'PublicBody'].includes(name) || (tail !== undefined && tail !== '$value') || path.length > 2)
    throw missing();
  if (ask.verb === 'GET') return read(version[name], tail);
  if (ask.verb === 'PUT' && tail === '$value') version[name] = newBody(ask.body);
  else if (ask.verb === 'POST' && tail === undefined) {
    const given = json() as Entity;
    const extra = Object.keys(given ?? {}).find((one) => one !== 'Value');
    if (extra) throw bad(`The property '${extra}' does not exist on type 'BinaryData'.`);
    version[name] = newBody(fromBase64(given?.Value));
  } else throw new Refusal(405, 'Метод не поддерживается.');
  version.Modified = store.now().toISOString();
  return { status: 204 };
}

/** No body is 204 or 404 by turns: both were seen. */
function read(body: Entity, tail: string | undefined): Reply {
  if (tail !== '$value') throw missing();
  if (body?.lost) throw new Refusal(500, 'Произошла непредвиденная ошибка');
  if (body) return { status: 200, bytes: body.bytes };
  flip = !flip;
  if (flip) return { status: 204 };
  throw missing();
}
