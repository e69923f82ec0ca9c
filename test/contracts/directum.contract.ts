import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  basic,
  type DirectumStand,
  directumStands,
  type Json,
  MAIN_GROUP,
  make as makeOn,
  mark,
  NOWHERE,
  query,
  quoted,
  refusalText,
  trace,
} from './directum-stand.ts';

const BYTES = Buffer.from('Договор № 17\r\n\u0000\u0001 конец', 'utf8');

describe.each(directumStands)('Directum RX Integration Service, as $name answers', ({ name, open }) => {
  const live = name === 'a live stand';
  let rx: DirectumStand;
  let metadata: string;
  let company: Json;
  let contract: Json;
  const run = `contract-suite-${mark()}`;
  const quotedName = `ООО 'Контракт' ${run}`;

  const make = (set: string, body: Json, headers?: Record<string, string>) => makeOn(rx, set, body, headers);
  const patch = (address: string, body: Json, headers: Record<string, string> = {}) =>
    rx.ask(address, { verb: 'PATCH', body, headers });
  const list = (set: string, options: Record<string, string>) => rx.ask(`${set}${query(options)}`);
  const card = () => `IContracts(${contract['Id']})`;

  beforeAll(async () => {
    rx = await open();
    metadata = (await rx.ask('$metadata', { headers: { accept: 'application/xml' } })).text;
    const made = await make('ICompanies', { Name: quotedName, ExternalId: run, Status: 'Active' });
    if (made.status !== 201) throw new Error(`contract suite: no company: ${made.status} ${made.text}`);
    company = made.json;
    const filled = await make('IContracts', {
      ...rx.contract,
      Name: run,
      Subject: 'Проверка договора',
      Counterparty: { Id: company['Id'] },
      TotalAmount: 1200.5,
      ValidFrom: '2026-03-02T00:00:00Z',
      ValidTill: '2026-12-31T00:00:00Z',
      ExternalId: run,
    });
    if (filled.status !== 201)
      throw new Error(`contract suite: no contract: ${filled.status} ${filled.text}`);
    contract = filled.json;
  });

  afterAll(() => rx?.close());

  describe('who is let in', () => {
    const ping = 'Docflow/GetCurrentCultureName()';

    it('nobody without credentials: 401, Basic is offered', async () => {
      const { status, headers } = await rx.ask(ping, { auth: {} });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toContain('Basic');
    });

    it('no login it does not know: 401 (a wrong password might lock the right one)', async () => {
      const auth = { authorization: basic(`nobody-${mark()}`, 'x') };
      expect((await rx.ask(ping, { auth })).status).toBe(401);
    });

    it('the service account by Basic; the name of its culture comes back', async () => {
      const { status, json } = await rx.ask(ping);
      expect(status).toBe(200);
      expect(json.value).toMatch(/^[a-z]{2}(-[A-Z]{2})?$/);
    });

    it('the holder of a token, which is bare text', async ({ skip }) => {
      if (!rx.hasTokens) return skip('set CONTRACT_DIRECTUM_AUTH=token where the stand gives tokens');
      const { status, text } = await rx.ask('../token', { headers: { accept: '*/*' } });
      expect(status).toBe(200);
      expect(text.trim()).toMatch(/^[\w.-]+$/);
      const auth = { authorization: `Bearer ${text.trim()}` };
      expect((await rx.ask(ping, { auth })).status).toBe(200);
    });
  });

  describe('$metadata', () => {
    it('has the sets of contracts, companies, applications and tasks', () => {
      for (const set of ['IContracts', 'ICompanies', 'IAssociatedApplications', 'IApprovalTasks'])
        expect(metadata).toContain(`<EntitySet Name="${set}"`);
    });

    it('has a type of contracts with number ids', () => {
      expect(metadata).toContain('Name="IContractDto"');
      expect(metadata).toMatch(/<Property Name="Id" Type="Edm\.Int(32|64)"/);
    });

    it.each([
      'CreateApprovalTask',
      'StartTask',
      'CreateVersionFromTemplate',
      'CreateSimpleTask',
      'RegisterDocument',
    ])('has the function Docflow/%s', (fn) => {
      expect(metadata).toMatch(new RegExp(`<(Action|Function) Name="${fn}"`));
    });
  });

  describe('reading', () => {
    it('gives ids as numbers and no references without $expand', async () => {
      const { status, json } = await rx.ask(card());
      expect(status).toBe(200);
      expect(json.Id).toBe(contract['Id']);
      expect(json.Counterparty ?? null).toBeNull();
    });

    it('gives references and rows with $expand, options inside parted by semicolons', async () => {
      const expand =
        'Counterparty($select=Id,Name),BusinessUnit($select=Id),Versions($select=Id,Number;$expand=AssociatedApplication($select=Id))';
      const { status, json } = await rx.ask(`${card()}${query({ select: 'Id,Name', expand })}`);
      expect(status).toBe(200);
      expect(json.Counterparty).toMatchObject({ Id: company['Id'], Name: quotedName });
      expect(json.BusinessUnit.Id).toBe(rx.contract['BusinessUnit'].Id);
      expect(Array.isArray(json.Versions)).toBe(true);
    });

    it.each([
      ['by ExternalId', () => `ExternalId eq ${quoted(run)}`],
      ['by a reference', () => `Counterparty/Id eq ${company['Id']} and ExternalId eq ${quoted(run)}`],
      [
        'by several ids with or',
        () => `(Id eq ${NOWHERE} or Id eq ${contract['Id']}) and ExternalId ne null`,
      ],
      ['by an enumeration as text', () => `LifeCycleState eq 'Draft' and ExternalId eq ${quoted(run)}`],
      ['by nothing in a property', () => `InternalApprovalState eq null and ExternalId eq ${quoted(run)}`],
      ['by a moment with Z', () => `Modified gt 2020-01-01T00:00:00Z and ExternalId eq ${quoted(run)}`],
    ])('finds the contract %s', async (_how, filter) => {
      const { status, json } = await list('IContracts', { filter: filter(), select: 'Id' });
      expect(status).toBe(200);
      expect(json.value.map((row: Json) => row['Id'])).toEqual([contract['Id']]);
    });

    it('finds text with doubled quotes and Cyrillic letters, and by tolower', async () => {
      for (const filter of [
        `Name eq ${quoted(quotedName)}`,
        `tolower(Name) eq ${quoted(quotedName.toLowerCase())}`,
      ]) {
        const { status, json } = await list('ICompanies', { filter, select: 'Id,Name' });
        expect(status).toBe(200);
        expect(json.value).toMatchObject([{ Id: company['Id'], Name: quotedName }]);
      }
    });

    it('answers 204 without a body when nothing is found', async () => {
      const { status, bytes } = await list('IContracts', { filter: `ExternalId eq ${quoted(`${run}-no`)}` });
      expect(status).toBe(204);
      expect(bytes).toHaveLength(0);
    });

    it('counts in plain text, perhaps behind a byte order mark', async () => {
      const filter = { filter: `ExternalId eq ${quoted(run)}` };
      const { status, text } = await rx.ask(`IContracts/$count${query(filter)}`);
      expect(status).toBe(200);
      expect(text.replace(/^\uFEFF/, '').trim()).toBe('1');
    });

    it('pages by key: an id filter, an order and $top', async () => {
      const paging = { filter: 'Id gt 0', orderby: 'Id', top: '2', select: 'Id' };
      const { status, json } = await list('ICurrencies', paging);
      expect(status).toBe(200);
      const ids = json.value.map((row: Json) => row['Id']);
      expect(ids.every(Number.isInteger)).toBe(true);
      expect(ids).toEqual(ids.toSorted((a: number, b: number) => a - b));
      expect(ids.length).toBeLessThanOrEqual(2);
    });

    it.each([
      ['an unknown id', `IContracts(${NOWHERE})`],
      ['an unknown set', 'INoSuchThings'],
      ['an unknown function', 'Docflow/NoSuchFunction()'],
    ])('answers 404 about %s', async (_what, path) => {
      expect((await rx.ask(path)).status).toBe(404);
    });

    it.each<[string, Record<string, string>]>([
      ['an unknown property in $filter', { filter: "NoSuchThing eq '1'" }],
      ['an unknown property in $select', { filter: 'Id gt 0', select: 'NoSuchThing', top: '1' }],
      ['an unknown property in $expand', { filter: 'Id gt 0', expand: 'NoSuchThing', top: '1' }],
      ['a moment without an offset', { filter: 'Modified gt 2026-03-01T00:00:00', top: '1' }],
    ])('answers 400 to %s', async (_what, options) => {
      const { status, text } = await list('IContracts', options);
      expect(status).toBe(400);
      expect(refusalText(text)).not.toBe('');
    });
  });

  describe('writing a counterparty', () => {
    const address = () => `ICompanies(${company['Id']})`;

    it('refuses a TIN with a wrong control digit: 400 with words', async () => {
      const { status, text } = await make('ICompanies', { Name: `${run} TIN`, TIN: '7707083890' });
      expect(status).toBe(400);
      expect(refusalText(text)).not.toBe('');
    });

    it('takes the same TIN of a nonresident, so it was the digit', async () => {
      const fields = { Name: `${run} TIN`, TIN: '7707083890', Nonresident: true, ExternalId: run };
      expect((await make('ICompanies', fields)).status).toBe(201);
    });

    it('keeps letters and digits in the number of a nonresident, who is found by it', async () => {
      const TIN = `DE${Date.now()}`;
      const made = await make('ICompanies', { Name: `${run} VAT`, TIN, Nonresident: true, ExternalId: run });
      expect(made.status).toBe(201);
      const found = await list('ICompanies', { filter: `TIN eq '${TIN}'`, select: 'Id,TIN,Nonresident' });
      expect(found.json.value).toEqual([
        expect.objectContaining({ Id: made.json.Id, TIN, Nonresident: true }),
      ]);
    });

    it('answers a POST with Return: minimal without a body, and the ExternalId finds what it made', async () => {
      const ExternalId = `${run}-minimal`;
      const made = await make(
        'ICompanies',
        { Name: `${run} minimal`, ExternalId },
        {
          Return: 'minimal',
        },
      );
      expect(made.status).toBe(204);
      const { json } = await list('ICompanies', { filter: `ExternalId eq ${quoted(ExternalId)}` });
      expect(json.value).toHaveLength(1);
      trace(rx, 'ICompanies', json.value[0].Id);
    });

    it('answers a PATCH with 204, and with the entity under Return: representation', async () => {
      expect((await patch(address(), { Note: 'один' })).status).toBe(204);
      const shown = await patch(address(), { Note: 'два' }, { Return: 'representation' });
      expect(shown.status).toBe(200);
      expect(shown.json).toMatchObject({ Id: company['Id'], Note: 'два' });
    });

    it('leaves what a PATCH does not name and clears what it sets to null', async () => {
      await patch(address(), { Email: 'a@acme.example', Phones: '1' });
      await patch(address(), { Phones: null });
      const { json } = await rx.ask(address());
      expect(json).toMatchObject({ Email: 'a@acme.example', Name: quotedName });
      expect(json.Phones ?? '').toBe('');
    });

    it('refuses a property nobody declared: 400', async () => {
      expect((await patch(address(), { NoSuchThing: '1' })).status).toBe(400);
    });

    it('is found by the function of the base, quotes doubled in the path', async ({ skip }) => {
      if (!metadata.includes('Name="GetCompanyIds"')) return skip('this version has no GetCompanyIds');
      const args = `tin='',trrc='',name=${quoted(quotedName)}`;
      const { status, json } = await rx.ask(`Parties/GetCompanyIds(${encodeURIComponent(args)})`);
      expect(status).toBe(200);
      expect(json.value).toContain(company['Id']);
    });
  });

  describe('writing a contract', () => {
    it('answers with a number id, a draft, our amount and our key', () => {
      expect(Number.isInteger(contract['Id'])).toBe(true);
      expect(contract).toMatchObject({ LifeCycleState: 'Draft', TotalAmount: 1200.5, ExternalId: run });
    });

    it('fills the department when we do not', async () => {
      const { json } = await rx.ask(`${card()}${query({ expand: 'Department($select=Id)' })}`);
      expect(json.Department.Id).toEqual(expect.any(Number));
    });

    it('keeps a date without time as the first ten characters', async () => {
      const { json } = await rx.ask(card());
      expect(json.ValidFrom.slice(0, 10)).toBe('2026-03-02');
      expect(json.ValidTill.slice(0, 10)).toBe('2026-12-31');
    });

    it('changes by PATCH', async () => {
      expect((await patch(card(), { Subject: 'Предмет изменён' })).status).toBe(204);
      expect((await rx.ask(card())).json.Subject).toBe('Предмет изменён');
    });

    it('keeps the cents of an amount of 15 digits', async () => {
      expect((await patch(card(), { TotalAmount: 1234567890123.45 })).status).toBe(204);
      expect((await rx.ask(card())).json.TotalAmount).toBe(1234567890123.45);
    });

    it('refuses an id as text: 400', async () => {
      const Counterparty = { Id: String(company['Id']) };
      expect((await patch(card(), { Counterparty })).status).toBe(400);
    });

    it('refuses a state nobody knows: 400 with words', async () => {
      const { status, text } = await patch(card(), { LifeCycleState: 'NoSuchState' });
      expect(status).toBe(400);
      expect(refusalText(text)).not.toBe('');
    });

    it('goes by DELETE, or says why not', async () => {
      const made = await make('IContracts', {
        ...rx.contract,
        Name: `${run} delete`,
        Subject: 'Удалить',
        Counterparty: { Id: company['Id'] },
      });
      const address = `IContracts(${made.json.Id})`;
      const { status, text } = await rx.ask(address, { verb: 'DELETE' });
      if (!live || status === 204) {
        expect(status).toBe(204);
        expect((await rx.ask(address)).status).toBe(404);
      } else {
        expect([400, 403]).toContain(status);
        expect(refusalText(text)).not.toBe('');
      }
    });
  });

  describe('versions of a contract', () => {
    let application: number;
    const addVersion = (number: number) =>
      rx.ask(`${card()}/Versions`, {
        verb: 'POST',
        body: { Number: number, Note: run, AssociatedApplication: { Id: application } },
        headers: { Return: 'representation' },
      });

    beforeAll(async () => {
      const { json } = await list('IAssociatedApplications', {
        filter: "Extension eq 'pdf'",
        select: 'Id,Extension',
      });
      application = json.value[0].Id;
    });

    it('take a body by $value and give the same bytes back', async () => {
      const row = await addVersion(1);
      expect([200, 201]).toContain(row.status);
      expect(row.json).toMatchObject({ Id: expect.any(Number), Number: 1 });
      const body = `${card()}/Versions(${row.json.Id})/Body/$value`;
      expect((await rx.ask(body, { verb: 'PUT', body: BYTES })).status).toBe(204);
      const back = await rx.ask(body, { headers: { accept: '*/*' } });
      expect(back.status).toBe(200);
      expect(back.bytes.equals(BYTES)).toBe(true);
    });

    it('have a row before they have a body: its $value is 204 or 404', async () => {
      const row = await addVersion(2);
      const empty = await rx.ask(`${card()}/Versions(${row.json.Id})/Body/$value`, {
        headers: { accept: '*/*' },
      });
      expect([204, 404]).toContain(empty.status);
    });

    it('are read with their notes and applications by one $expand', async () => {
      const inner = '$select=Id,Number,Note,IsHidden;$expand=AssociatedApplication($select=Id)';
      const { json } = await rx.ask(`${card()}${query({ select: 'Id', expand: `Versions(${inner})` })}`);
      expect(json.Versions[0]).toMatchObject({ Note: run, AssociatedApplication: { Id: application } });
    });
  });

  describe('work under way', () => {
    const shown = {
      select: 'Id,Subject,Status,Result,Deadline,Created,Completed,Modified,ActiveText',
      expand:
        'Performer($select=Id,Name),Task($select=Id),MainTask($select=Id),Texts($select=Id,Body,Created,IsAutoGenerated)',
    };
    const since = 'Modified gt 2020-01-01T00:00:00Z';
    const assignments = (filter: string) =>
      list('IAssignments', { filter, orderby: 'Id', top: '5', ...shown });
    let rows: Json[];

    beforeAll(async () => {
      const { status, json } = await assignments(`${since} and Id gt 0`);
      expect([200, 204]).toContain(status);
      rows = status === 204 ? [] : json.value;
    });

    it('is told by what changed since, ordered by Id, with who does it and of which task', ({ skip }) => {
      if (rows.length === 0) return skip('the account sees no assignment');
      const ids = rows.map((row) => row['Id']);
      expect(ids).toEqual(ids.toSorted((a: number, b: number) => a - b));
      for (const row of rows) {
        expect(row).toMatchObject({ Id: expect.any(Number), Status: expect.any(String) });
        expect(row['Modified']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
        expect(row['Task']['Id']).toEqual(expect.any(Number));
        expect(row['Performer']).toMatchObject({ Id: expect.any(Number), Name: expect.any(String) });
        expect(Array.isArray(row['Texts'])).toBe(true);
      }
    });

    it('goes on after an id', async ({ skip }) => {
      const [first] = rows;
      if (!first) return skip('the account sees no assignment');
      const { status, json } = await assignments(`${since} and Id gt ${first['Id']}`);
      expect(status === 204 ? [] : json.value.map((row: Json) => row['Id'])).not.toContain(first['Id']);
    });

    it('has a newest change', async ({ skip }) => {
      if (rows.length === 0) return skip('the account sees no assignment');
      const newest = { filter: 'Id gt 0', orderby: 'Modified desc', top: '1', select: 'Id,Modified' };
      const { status, json } = await list('IAssignments', newest);
      expect(status).toBe(200);
      for (const row of rows)
        expect(Date.parse(json.value[0].Modified)).toBeGreaterThanOrEqual(Date.parse(row['Modified']));
    });

    it('is found by its task and its main task, several at once', async ({ skip }) => {
      const [first] = rows;
      if (!first) return skip('the account sees no assignment');
      const taskId = first['Task']['Id'];
      for (const ids of [[taskId], [taskId, NOWHERE, NOWHERE + 1, NOWHERE + 2]]) {
        const terms = ['Task/Id', 'MainTask/Id'].flatMap((path) => ids.map((id) => `${path} eq ${id}`));
        const { status, json } = await assignments(`(${terms.join(' or ')}) and Id gt ${first['Id'] - 1}`);
        // A stand with a lower limit of nodes refuses the list; the package then asks in halves.
        if (live && ids.length > 1 && status === 400) continue;
        expect(status).toBe(200);
        expect(json.value[0]['Id']).toBe(first['Id']);
      }
    });

    it('is done by people whose e-mail the employees have', async ({ skip }) => {
      const ids = [...new Set(rows.flatMap((row) => row['Performer']?.['Id'] ?? []))];
      if (ids.length === 0) return skip('the account sees no assignment');
      const filter = ids.map((id) => `Id eq ${id}`).join(' or ');
      const { status, json } = await list('IEmployees', { filter, select: 'Id,Email' });
      if (status === 204) return skip('no performer is an employee');
      expect(status).toBe(200);
      for (const row of json.value) expect(row).toHaveProperty('Email');
      expect(ids).toEqual(expect.arrayContaining(json.value.map((row: Json) => row['Id'])));
    });

    it('is found by a document in the main group, and not by one in another group', async ({ skip }) => {
      const filter = `Status eq 'InProcess' and AttachmentDetails/any(a: a/GroupId eq ${MAIN_GROUP})`;
      const expand = 'AttachmentDetails($select=GroupId,AttachmentId)';
      const { status, json } = await list('IApprovalTasks', { filter, top: '1', select: 'Id', expand });
      expect([200, 204]).toContain(status);
      if (status === 204) return skip('no approval by rule is under way');
      const [task] = json.value;
      const main = task['AttachmentDetails'].find(
        (row: Json) => String(row['GroupId']).toLowerCase() === MAIN_GROUP,
      );
      const of = (documents: string, group: string) =>
        list('IApprovalTasks', {
          filter: `AttachmentDetails/any(a: ${documents} and a/GroupId eq ${group}) and Id gt ${task['Id'] - 1}`,
          ...{ orderby: 'Id', top: '1', select: 'Id' },
        });
      const one = `a/AttachmentId eq ${main['AttachmentId']}`;
      expect((await of(one, MAIN_GROUP)).json.value[0]['Id']).toBe(task['Id']);
      const several = await of(`(a/AttachmentId eq ${NOWHERE} or ${one})`, MAIN_GROUP);
      if (!live || several.status !== 400) expect(several.json.value[0]['Id']).toBe(task['Id']);
      expect((await of(one, 'ffffffff-0000-4000-8000-000000000000')).status).toBe(204);
    });

    it('is nowhere for a task and a document nobody has: 204', async () => {
      expect((await assignments(`(Task/Id eq ${NOWHERE} or MainTask/Id eq ${NOWHERE})`)).status).toBe(204);
      const lambda = `AttachmentDetails/any(a: a/AttachmentId eq ${NOWHERE} and a/GroupId eq ${MAIN_GROUP})`;
      expect((await list('IApprovalTasks', { filter: lambda, select: 'Id' })).status).toBe(204);
    });
  });

  describe('dates of a contract', () => {
    const dates = { select: 'Id,ValidTill', expand: 'Milestones($select=Id,Name,Deadline,IsCompleted)' };

    it('are read for several at once; an id that is no contract is not there', async () => {
      const filter = `Id eq ${contract['Id']} or Id eq ${NOWHERE}`;
      const { status, json } = await list('IContracts', { filter, ...dates });
      expect(status).toBe(200);
      expect(json.value).toHaveLength(1);
      expect(json.value[0]).toMatchObject({ Id: contract['Id'], Milestones: [] });
    });

    it('are days written by the stand’s own zone: the first ten characters', async () => {
      const { json } = await list('IContracts', { filter: `Id eq ${contract['Id']}`, ...dates });
      expect(json.value[0].ValidTill).toMatch(/^2026-12-31T00:00:00(\.0+)?(Z|[+-]\d\d:\d\d)$/);
    });
  });

  describe('functions', () => {
    const call = (fn: string, body: Json) => rx.ask(`Docflow/${fn}`, { verb: 'POST', body });

    it('whose body lacks a key answer 404 or 400', async () => {
      const { status } = await call('CreateApprovalTask', { documentId: NOWHERE, text: null });
      expect([400, 404]).toContain(status);
    });

    it('say in English which document or task is not found: 400', async () => {
      const task = await call('CreateApprovalTask', {
        documentId: NOWHERE,
        text: null,
        signatoryId: null,
        addApproverIds: [],
      });
      expect(task.status).toBe(400);
      expect(refusalText(task.text)).toContain(`Document with ID (${NOWHERE}) not found.`);
      const start = await call('StartTask', { taskId: NOWHERE });
      expect(start.status).toBe(400);
      expect(refusalText(start.text)).toContain(`Task with ID (${NOWHERE}) not found.`);
    });
  });

  describe('refusals', () => {
    it('one after another have words that the rule of the page finds, whatever their shape', async () => {
      for (let turn = 0; turn < 4; turn++) {
        const { status, text } = await list('IContracts', { filter: "NoSuchThing eq '1'" });
        expect(status).toBe(400);
        expect(refusalText(text)).toMatch(/^[^{}[\]"]/);
      }
    });
  });

  describe.skipIf(live)('a start line over 2048 characters (sandbox only: a proxy may answer first)', () => {
    it('is refused, and one within is answered', async () => {
      const long = (length: number) => list('ICurrencies', { filter: `Name eq '${'x'.repeat(length)}'` });
      expect((await long(1500)).status).toBe(204);
      expect((await long(2100)).status).toBe(414);
    });
  });

  describe.skipIf(live)(
    'a big set without a filter (sandbox only: the threshold is the stand owner’s)',
    () => {
      it('is refused even with $top, and any filter lets it through', async () => {
        for (let at = 0; at < 25; at++) await make('ICompanies', { Name: `${run} ${at}` });
        const bare = await list('ICompanies', { top: '2' });
        expect(bare.status).toBe(400);
        expect(refusalText(bare.text)).toContain('Превышено максимальное количество сущностей');
        expect((await list('ICompanies', { top: '2', filter: 'Id gt 0' })).status).toBe(200);
      });
    },
  );
});

it.each([
  ['{"error":"текст"}', 'текст'],
  ['{"error":{"code":"","message":"текст"}}', 'текст'],
  ['{"error":{"code":"","message":{"lang":"ru","value":"текст"}}}', 'текст'],
  ['"Элемент перечисления \\"Result\\" недопустим"', 'Элемент перечисления "Result" недопустим'],
  ['текст без JSON', 'текст без JSON'],
])('the words of a refusal are found in %s', (body, words) => {
  expect(refusalText(body)).toBe(words);
});
