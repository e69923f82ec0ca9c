import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { defineCommand, Misuse, obey } from '../src/command/command.ts';
import { measureAcceptance } from './bench/acceptance.ts';
import { endLoad } from './bench/burst.ts';
import { measureDeals } from './bench/deals.ts';
import { measureDrain } from './bench/drain.ts';
import { limitOf, measureMass } from './bench/mass.ts';
import { residentMegabytes, stopProcess } from './bench/process.ts';
import { CREATE, startStands } from './bench/stands.ts';
import { measureStorm } from './bench/storm.ts';
import { measureTrips } from './bench/trip.ts';
import { measureWaits } from './bench/waits.ts';
import { measureWaitsAtOnce } from './bench/waits-at-once.ts';

const STORM = 10_000;
const ANSWERS = 10_000;
const WAITS = 100_000;
const WAITS_AT_ONCE = 300;
const POLL_SECONDS = 2;
const DEALS = { shown: 1_000, watched: 10_000, atOnce: 500, single: 40, everyMs: 1_200, pollSeconds: 5 };
const RATE = { perSecond: 2, bucket: 50 };
const MASS = { deals: 2_000, rate: RATE };
const FULL_BATCH = 50;
// The bucket, and 35 seconds more: at one answer a hit this shows the rate as well as 10,000 in 80 minutes would.
const SINGLE_ANSWERS = 120;
const README = new URL('../README.md', import.meta.url);
const MARKED = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;

type Row = [what: string, measured: string, goal: string];

const percent = (part: number) => `${(part * 100).toFixed(0)} %`;

async function starts(): Promise<Row[]> {
  const stands = await startStands();
  try {
    const first = await stands.startService();
    await stopProcess(first.child);
    const again = await stands.startService();
    await stands.install();
    return [
      ['very first start to `/readyz` (initdb)', `${first.seconds.toFixed(1)} s`, '≤ 8 s'],
      ['cold start to `/readyz`, database present', `${again.seconds.toFixed(1)} s`, '≤ 3 s'],
      ['resident memory at rest', `${await residentMegabytes(again.child)} MB`, '≤ 150 MB'],
    ];
  } finally {
    await stands.stop();
  }
}

async function trips(): Promise<Row[]> {
  const stands = await startStands();
  try {
    await stands.startService();
    await stands.install();
    const trip = await measureTrips(stands);
    const own = trip.ours - trip.naive;
    return [
      ['REST hits per run, warm, answers apart', trip.rest.toFixed(2), '≤ 1'],
      ['OData requests per contract, warm', trip.odata.toFixed(2), '≤ 4'],
      [
        'call → answer leaving, p50: ours, less a script without promises that asks both platforms the same',
        `${trip.ours.toFixed(0)} − ${trip.naive.toFixed(0)} = ${own.toFixed(0)} ms (×${(trip.ours / trip.naive).toFixed(1)})`,
        '≤ 30 ms',
      ],
    ];
  } finally {
    await stands.stop();
  }
}

async function acceptance(): Promise<Row[]> {
  const { rate, p99Ms, failed } = await measureAcceptance();
  return [
    [`200 at ${rate} calls a second, p99`, `${p99Ms.toFixed(0)} ms (${failed} not accepted)`, '≤ 50 ms'],
  ];
}

async function storm(): Promise<Row[]> {
  const stands = await startStands();
  try {
    await stands.startService();
    await stands.install();
    const result = await measureStorm(stands, STORM);
    return [
      [
        `storm of ${STORM} calls: all accepted`,
        `${result.acceptedIn.toFixed(1)} s (${result.failed} not accepted)`,
        '≤ 10 s',
      ],
      ['the longest wait for a 200 in it', `${result.slowestMs.toFixed(0)} ms`, '≤ 1000 ms'],
      [
        'its contracts',
        `${result.contracts} made, ${result.keys} of them different, in ${result.madeIn.toFixed(0)} s`,
        'each once',
      ],
    ];
  } finally {
    await stands.stop();
  }
}

async function mass(): Promise<Row[]> {
  const result = await measureMass(MASS);
  const limit = limitOf(MASS);
  return [
    [
      `${MASS.deals} deals of as many companies at ${RATE.perSecond}/${RATE.bucket}, Directum answering in 30 ms: first answers away, against what both allow (${limit.toFixed(0)} s)`,
      `${result.seconds.toFixed(0)} s, ×${(result.seconds / limit).toFixed(2)} (${result.contracts} contracts, ${result.keys} of them different; ${result.refused} over the limit)`,
      '≤ ×1.3',
    ],
    ['REST hits a run in it: reading, proof, both sendings of the answer', result.hits.toFixed(3), '≤ 0.12'],
    [
      'OData requests a contract in it, every other counterparty being new',
      result.requests.toFixed(2),
      '≤ 3.1',
    ],
    [
      'a single deal that comes beside it: from its stage to its answer',
      `${result.singleSeconds.toFixed(1)} s`,
      '≤ 30 s',
    ],
  ];
}

async function drained(answers: number, batch: number) {
  const stands = await startStands({ BITRIX24_ANSWER_BATCH: String(batch) }, RATE);
  try {
    await stands.startService();
    await stands.install();
    return await measureDrain(stands, answers, RATE, batch);
  } finally {
    await stands.stop();
  }
}

async function drain(): Promise<Row[]> {
  const [full, single] = await Promise.all([drained(ANSWERS, FULL_BATCH), drained(SINGLE_ANSWERS, 1)]);
  return [
    [
      `${ANSWERS} answers at ${RATE.perSecond}/${RATE.bucket} in batches of ${FULL_BATCH}, against what the rate allows`,
      `${percent(full.theory / full.seconds)} (${full.seconds.toFixed(0)} s, ${full.refused} over the limit)`,
      '≥ 95 %',
    ],
    [
      `the same against answers sent one by one (${SINGLE_ANSWERS} of them): answers a second once the bucket is spent`,
      `×${(full.perSecond / single.perSecond).toFixed(0)} (${full.perSecond.toFixed(0)} and ${single.perSecond.toFixed(1)}; ${single.refused} over the limit)`,
      '',
    ],
  ];
}

async function waits(): Promise<Row[]> {
  const stands = await startStands({ DIRECTUM_POLL_SECONDS: String(POLL_SECONDS) });
  try {
    const { child } = await stands.startService();
    await stands.install();
    const { portal } = stands;
    portal.placeRobot('C1:WAIT', CREATE, { subject: 'Замер' });
    portal.placeRobot('C1:WAIT', 'directum_wait_signature', {}, { after: true });
    await portal.waitForStep(await portal.moveItem(2, stands.addDeal(), 'C1:WAIT'), CREATE, 20_000);
    // The first cycles find where Directum's time is, and read the one watched document.
    await new Promise((resolve) => setTimeout(resolve, POLL_SECONDS * 3_000));
    const many = await measureWaits(stands, WAITS, POLL_SECONDS, () => residentMegabytes(child));
    if (many.woken !== many.changed) throw new Error(`${many.woken} waits of ${many.changed} were woken`);
    return [
      [`requests of a quiet cycle, ${WAITS} waits`, String(many.quiet), '≤ 3'],
      [`requests of a cycle in which ${many.changed} changed`, String(many.requests), '≤ 10'],
      [
        `from the change in Directum to the last of ${many.changed} answers leaving, polled every ${POLL_SECONDS} s`,
        `${many.slowest.toFixed(1)} s`,
        `≤ ${POLL_SECONDS + 5} s`,
      ],
      [
        `resident memory with ${WAITS} waits`,
        `${many.resident} MB (${many.grown >= 0 ? '+' : ''}${many.grown})`,
        '≤ 200 MB',
      ],
    ];
  } finally {
    await stands.stop();
  }
}

async function atOnce(): Promise<Row[]> {
  const stands = await startStands({ DIRECTUM_POLL_SECONDS: String(DEALS.pollSeconds) });
  try {
    await stands.startService();
    await stands.install();
    const { waiting, perWait, cycle } = await measureWaitsAtOnce(stands, WAITS_AT_ONCE, DEALS.pollSeconds);
    return [
      [
        `OData requests for each of ${WAITS_AT_ONCE} waits that begin at once, each for a document of its own`,
        `${perWait.toFixed(1)} (${waiting} wait)`,
        '≤ 1',
      ],
      ['requests of a cycle, a minute after they began', String(cycle), '≤ 3'],
    ];
  } finally {
    await stands.stop();
  }
}

async function deals(): Promise<Row[]> {
  const stands = await startStands({ DIRECTUM_POLL_SECONDS: String(DEALS.pollSeconds) }, RATE);
  try {
    await stands.startService();
    await stands.install();
    const result = await measureDeals(stands, DEALS);
    return [
      [
        `${DEALS.shown} deals, ${60_000 / DEALS.everyMs} changes a minute: change in Directum → the deal's field, p99, asked for every ${DEALS.pollSeconds} s`,
        `${result.p99.toFixed(1)} s`,
        `≤ ${DEALS.pollSeconds + 5} s`,
      ],
      [
        `REST hits for each of ${DEALS.atOnce} documents that change at once, fields and activities`,
        `${result.hitsPerChange.toFixed(2)} (all shown in ${result.atOnceSeconds.toFixed(0)} s, ${result.refused} over the limit)`,
        '≤ 0.10',
      ],
      [`requests of a quiet cycle, ${DEALS.watched} watched documents`, String(result.quiet), '≤ 3'],
      [`robots started by ${result.writes} own writes`, String(result.echoes), '0'],
    ];
  } finally {
    await stands.stop();
  }
}

/** Most of their time these wait for a rate or for a minute to end, so they do it beside each other. */
const paced = async (): Promise<Row[]> => (await Promise.all([drain(), atOnce()])).flat();

const PARTS = { starts, trips, acceptance, storm, mass, paced, waits, deals };

/** All parts, and their table into the README; or those named, for whoever works on one. */
export const bench = defineCommand(
  {
    call: 'npm run bench',
    about: {
      en: `Measures the figures of the README on this machine and writes them there. With names of parts it measures only these and prints them: ${Object.keys(PARTS).join(', ')}.`,
      ru: `Измеряет показатели README на этой машине и записывает их туда. С названиями частей измеряет только их и печатает: ${Object.keys(PARTS).join(', ')}.`,
    },
    forms: ['', 'PART [PART …]'],
    words: Object.keys(PARTS).length,
    options: {},
    notes: { en: 'All of it takes about ten minutes.', ru: 'Всё вместе занимает около десяти минут.' },
  },
  async ({ words: names, print, progress }) => {
    const unknown = names.filter((name) => !Object.hasOwn(PARTS, name)).join(', ');
    if (unknown !== '') throw new Misuse({ en: `no part ${unknown}`, ru: `нет части ${unknown}` });
    const rows: Row[] = [];
    try {
      for (const [name, part] of Object.entries(PARTS)) {
        if (names.length > 0 && !names.includes(name)) continue;
        progress({ en: `${name} …`, ru: `${name} …` });
        rows.push(...(await part()));
      }
    } finally {
      endLoad();
    }
    const lines = rows.map((row) => `| ${row.join(' | ')} |`);
    const table = `| What, on ${cpus().length} cores | Measured | Goal |\n|---|---|---|\n${lines.join('\n')}`;
    print(table);
    if (names.length > 0) return 0;
    const readme = await readFile(README, 'utf8');
    if (!MARKED.test(readme)) throw new Error('README.md has no place for the figures');
    await writeFile(
      README,
      readme.replace(MARKED, (_all, before, after) => `${before}${table}\n${after}`),
    );
    return 0;
  },
);

if (import.meta.main) process.exitCode = await obey(bench, process);
