import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { robots } from '../../robots/index.ts';
import { toDescriptor } from '../robot/descriptor.ts';
import type { LocalText } from '../robot/failure.ts';
import { type AnyRobot, isRobot } from '../robot/robot.ts';
import { ToldError } from '../store/db/told-error.ts';
import { resolvePackageName } from './package-name.ts';

/** Files of ROBOTS_DIR that hold a robot each. */
const ROBOT_FILE = /^(?!_)(?!.*\.(?:test|d)\.[jt]s$).*\.[jt]s$/;
/** What the portal takes as a code (bitrix24.md B1). */
const CODE = /^[a-z0-9._-]{1,128}$/i;

/**
 * Our robots, and those of ROBOTS_DIR (interface.md §1), which are loaded as any module of the service is.
 * @throws ToldError that names the file, for one that is no robot or whose code is taken
 */
export async function loadRobots(folder: string | undefined): Promise<readonly AnyRobot[]> {
  if (folder === undefined) return robots;
  resolvePackageName();
  const loaded: AnyRobot[] = [...robots];
  for (const name of await filesOf(folder)) {
    const robot = await loadRobot(join(folder, name), name);
    if (loaded.some(({ code }) => code === robot.code))
      throw unusable(name, {
        ru: `код ${robot.code} уже занят другим роботом; дайте роботу другой код`,
        en: `the code ${robot.code} belongs to another robot; give this one another code`,
      });
    loaded.push(robot);
  }
  return loaded;
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => ROBOT_FILE.test(name)).toSorted();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ToldError({
      ru: `ROBOTS_DIR: папку ${resolve(folder)} не удалось прочитать (${code}).`,
      en: `ROBOTS_DIR: the folder ${resolve(folder)} could not be read (${code}).`,
    });
  }
}

async function loadRobot(path: string, name: string): Promise<AnyRobot> {
  let exported: Record<string, unknown>;
  try {
    exported = await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw unusable(name, { ru: `файл не загружается: ${said}`, en: `it cannot be loaded: ${said}` }, error);
  }
  const found = [...new Set(Object.values(exported).filter(isRobot))];
  const [robot] = found;
  if (robot === undefined || found.length > 1)
    throw unusable(name, {
      ru: `нужен один робот, созданный через defineRobot, а экспортировано их ${found.length}`,
      en: `it exports ${found.length} robots made with defineRobot instead of one`,
    });
  if (!CODE.test(robot.code))
    throw unusable(name, {
      ru: `код «${robot.code}» портал не примет: допустимы латинские буквы, цифры, точка, _ и -, не больше 128 знаков`,
      en: `the portal takes no code «${robot.code}»: Latin letters, digits, dot, _ and - are allowed, at most 128`,
    });
  try {
    toDescriptor(robot, 'en');
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw unusable(
      name,
      { ru: `форму робота не собрать: ${said}`, en: `its form cannot be made: ${said}` },
      error,
    );
  }
  return robot;
}

function unusable(name: string, why: LocalText, cause?: unknown): ToldError {
  return new ToldError(
    { ru: `ROBOTS_DIR: ${name}: ${why.ru}.`, en: `ROBOTS_DIR: ${name}: ${why.en}.` },
    { cause },
  );
}
