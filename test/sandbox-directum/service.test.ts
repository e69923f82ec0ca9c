import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Directum, type DirectumOptions, startDirectum } from '../sandbox/directum/directum.ts';
import { basic, caller } from './caller.ts';

let rx: Directum;
const call = caller(() => rx);
const filtered = (set: string, filter: string, more = '') =>
  call('GET', `${set}?$filter=${encodeURIComponent(filter)}${more}`);

async function restart(options: DirectumOptions) {
  await rx.stop();
  rx = await startDirectum(options);
}
const company = (fields: object = {}) =>
  call('POST', 'ICompanies', { Name: 'ООО Ромашка', TIN: '7707083893', ...fields });
async function contract(fields: object = {}): Promise<number> {
  const answer = await call('POST', 'IContracts', { Subject: 'Поставка', ...fields });
  expect(answer.status, answer.text).toBe(201);
  return answer.json.Id;
}
const employee = (email: string): number => rx.all('IEmployees').find((one) => one.Email === email).Id;

beforeEach(async () => {
  rx = await startDirectum();
});
afterEach(() => rx.stop());

describe('getting in', () => {
  it('advertises three schemes to a stranger and takes headers or a token instead of Basic', async () => {
    const stranger = await call('GET', 'ICurrencies', undefined, { authorization: 'Basic eDp5' });
    expect(stranger.status).toBe(401);
    expect(stranger.headers.get('www-authenticate')).toMatch(/Basic.*Bearer.*Negotiate/);
    const headers = { authorization: '', username: 'bitrix24', password: 'secret' };
    expect((await call('GET', 'ICurrencies', undefined, headers)).status).toBe(200);
    const tokenUrl = rx.url.replace('odata/', 'token');
    const token = await (await fetch(tokenUrl, { headers: { authorization: basic } })).text();
    expect((await call('GET', 'ICurrencies', undefined, { authorization: `Bearer ${token}` })).status).toBe(
      200,
    );
    expect((await fetch(tokenUrl, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    expect(JSON.stringify(rx.journal)).not.toContain(token);
  });

  it('refuses a reader without Accept and a writer without Content-Type', async () => {
    expect((await call('GET', 'ICurrencies', undefined, { accept: '*/*' })).status).toBe(400);
    expect((await call('POST', 'ICompanies', { Name: 'А' }, { 'content-type': 'text/plain' })).status).toBe(
      415,
    );
  });
});

describe('reading', () => {
  it('answers an empty collection with 204 and nothing, an unknown id with 404, an unknown name with 400', async () => {
    const empty = await filtered('ICompanies', "TIN eq '1'");
    expect([empty.status, empty.text]).toEqual([204, '']);
    expect((await call('GET', 'ICompanies(999)')).status).toBe(404);
    expect((await call('GET', 'ICurrencies?$select=Nope')).status).toBe(400);
    expect((await call('GET', 'IContracts?$expand=Nope')).status).toBe(400);
  });

  it('of what the account may not read any more: absent from lists, 404 by id, as if it were not there (A.3, A.9)', async () => {
    const [first, second] = [await contract(), await contract()];
    const seen = async () => {
      const list = await filtered('IOfficialDocuments', 'Id gt 0', '&$select=Id');
      const answers = await Promise.all(
        [first, second].map((id) => call('GET', `IContracts(${id})?$select=Id`)),
      );
      return {
        list: (list.json?.value ?? []).map((row: { Id: number }) => row.Id),
        statuses: answers.map(({ status }) => status),
      };
    };
    rx.misbehave.hide('IContracts', first);
    expect(await seen()).toEqual({ list: [second], statuses: [404, 200] });
    const draft = { documentId: first, text: null, signatoryId: null, addApproverIds: [] };
    expect((await call('POST', 'Docflow/CreateApprovalTask', draft)).status).toBe(400);
    rx.misbehave.hide('IElectronicDocuments');
    expect(await seen()).toEqual({ list: [], statuses: [404, 404] });
    expect((await call('GET', '$metadata')).text).toContain('Name="IContracts"');
    rx.misbehave.show('IElectronicDocuments');
    rx.misbehave.show('IContracts');
    expect(await seen()).toEqual({ list: [first, second], statuses: [200, 200] });
  });

  it('refuses a big set without a filter even with $top, and lets the dummy filter through', async () => {
    for (let n = 0; n < 21; n += 1) rx.add('ICompanies', { Name: `К${n}` });
    const refused = await call('GET', 'ICompanies?$top=2');
    expect(refused.status).toBe(400);
    expect(refused.text).toContain('Превышено максимальное количество сущностей');
    expect((await filtered('ICompanies', 'Id gt 0', '&$top=2')).json.value).toHaveLength(2);
  });

  it('shows references only when expanded, and a day as local midnight', async () => {
    const id = await contract({ ValidFrom: '2026-03-02T00:00:00Z' });
    const bare = (await call('GET', `IContracts(${id})`)).json;
    expect(bare).not.toHaveProperty('DocumentKind');
    expect(bare.ValidFrom).toBe('2026-03-02T00:00:00+03:00');
    const full = (
      await call(
        'GET',
        `IContracts(${id})?$select=Id&$expand=DocumentKind($select=Name;$expand=DocumentType)`,
      )
    ).json;
    expect(full.DocumentKind).toMatchObject({ Name: 'Договор', DocumentType: { Name: 'Договор' } });
    expect((await filtered('IContracts', 'ValidFrom ge 2026-03-02T00:00:00Z')).status).toBe(204);
    expect((await filtered('IContracts', 'ValidFrom ge 2026-03-02T00:00:00+03:00')).status).toBe(200);
    expect((await filtered('IContracts', 'Modified gt 2026-03-02T00:00:00')).status).toBe(400);
  });

  it('takes ten ids in a filter and refuses twelve', async () => {
    const ids = (n: number) => Array.from({ length: n }, (_, at) => `Id eq ${at + 5001}`).join(' or ');
    await contract();
    expect((await filtered('IOfficialDocuments', ids(10))).json.value[0]['@odata.type']).toMatch(
      /IContractDto$/,
    );
    expect((await filtered('IOfficialDocuments', ids(12))).status).toBe(400);
    expect(
      (await call('GET', `IContracts?$filter=${encodeURIComponent(`Name eq '${'я'.repeat(400)}'`)}`)).status,
    ).toBe(414);
  });

  it('describes itself by generation', async () => {
    const old = async () => (await call('GET', '$metadata', undefined, { accept: 'application/xml' })).text;
    const newest = await old();
    expect(newest).toContain('Name="CreateDocumentFlowTask" IsBound="true"');
    expect(newest).toContain('Edm.Int64');
    await restart({ generation: '4.3' });
    const oldest = await old();
    expect(oldest).not.toMatch(/Edm\.Int64|GetCompanyIds|IDocumentFlowTask|IsCurrentUserAdmin/);
    expect((await filtered('IContracts', "ExternalId eq 'x'")).status).toBe(204);
    expect((await filtered('IOfficialDocuments', "ExternalId eq 'x'")).status).toBe(400);
    expect((await call('GET', "Parties/GetPersonIds(tin='1',name=null)")).status).toBe(404);
  });
});

describe('writing', () => {
  it('checks the TIN of residents only and never looks for a twin', async () => {
    expect((await company({ TIN: '7707083890' })).status).toBe(400);
    expect((await company({ TIN: '7707083890', Nonresident: true })).status).toBe(201);
    expect((await company()).status).toBe(201);
    expect((await company()).status).toBe(201);
    expect(
      (await call('POST', 'IPersons', { LastName: 'П', FirstName: 'И', TIN: '7707083893' })).status,
    ).toBe(400);
  });

  it('refuses ids as text, unknown names and wrong enumeration values', async () => {
    expect((await call('POST', 'IContracts', { Counterparty: { Id: '42' } })).status).toBe(400);
    expect((await call('POST', 'IContracts', { Counterparty: 42 })).status).toBe(400);
    expect((await call('POST', 'IContracts', { Nope: 1 })).status).toBe(400);
    expect((await company({ Status: 'Alive' })).json).toBeTypeOf('string');
  });

  it('fills a contract from the caller, names it itself and keeps it a draft', async () => {
    const party = (await company()).json.Id;
    const id = await contract({
      Name: 'Моё',
      Counterparty: { Id: party },
      LifeCycleState: 'Active',
      TotalAmount: 10,
    });
    expect(rx.get('IContracts', id)).toMatchObject({
      Name: 'Договор с ООО Ромашка "Поставка"',
      LifeCycleState: 'Draft',
      BusinessUnit: { Name: 'ООО «Альфа»' },
      Currency: { Name: 'Российский рубль' },
      DocumentGroup: null,
    });
    const dates = { ValidFrom: '2026-03-02T00:00:00Z', ValidTill: '2026-03-01T00:00:00Z' };
    expect((await call('PATCH', `IContracts(${id})`, dates)).status).toBe(400);
    await restart({ employeeless: true });
    expect((await call('POST', 'IContracts', { Subject: 'X' })).status).toBe(400);
  });

  it('returns by its own header: minimal on POST, representation on PATCH', async () => {
    expect((await call('POST', 'ICompanies', { Name: 'Б' }, { return: 'minimal' })).status).toBe(204);
    const id = (await company()).json.Id;
    expect(
      (await call('PATCH', `ICompanies(${id})`, { Note: 'x' }, { prefer: 'return=representation' })).status,
    ).toBe(204);
    const shown = await call('PATCH', `ICompanies(${id})`, { Note: 'y' }, { return: 'representation' });
    expect([shown.status, shown.json.Note]).toEqual([200, 'y']);
  });

  it('takes a version, its body both ways, and leaves Modified alone for the body', async () => {
    const id = await contract();
    const row = await call('POST', `IContracts(${id})/Versions`, { Note: 'n' }, { return: 'representation' });
    expect(row.json).toMatchObject({ Number: 1 });
    const { Modified } = rx.get('IContracts', id);
    const at = `IElectronicDocuments(${id})/Versions(${row.json.Id})`;
    expect([204, 404]).toContain((await call('GET', `${at}/Body/$value`)).status);
    expect((await call('POST', `${at}/Body`, { Value: Buffer.from('раз').toString('base64') })).status).toBe(
      204,
    );
    expect((await call('GET', `${at}?$expand=Body`)).json.Body.Value).toBe(
      Buffer.from('раз').toString('base64'),
    );
    const stream = { 'content-type': 'application/octet-stream' };
    expect((await call('PUT', `${at}/Body/$value`, Buffer.from('два'), stream)).status).toBe(204);
    expect((await call('GET', `${at}/Body/$value`)).text).toBe('два');
    expect((await call('GET', `${at}/Body`)).status).toBe(404);
    expect(rx.versions(id)[0]?.bytes?.toString()).toBe('два');
    expect(rx.get('IContracts', id).Modified).toBe(Modified);
  });
});

describe('functions', () => {
  it('finds the same company as the base does', async () => {
    const id = (await company({ Name: `ООО "Р'к/А"`, TRRC: '770701001' })).json.Id;
    const find = (tin: string, trrc: string, name: string) =>
      call('GET', `Parties/GetCompanyIds(tin=${tin},trrc=${trrc},name=${encodeURIComponent(name)})`);
    expect((await find("'7707083893'", "'770701001'", 'null')).json.value).toEqual([id]);
    expect((await find('null', 'null', `'ооо "р''к/а"'`)).json.value).toEqual([id]);
    const nothing = [await find("'7707083893'", "'1'", 'null'), await find("'7707083893'", "'1'", 'null')];
    expect(nothing.map((one) => one.status).sort()).toEqual([200, 204]);
    expect((await find('null', 'null', "'A+B'")).status).toBe(404);
    expect((await find('7707083893', 'null', 'null')).status).toBe(400);
  });

  it('answers a lost key with 404 and a null list with 500', async () => {
    const documentId = await contract();
    const whole = { documentId, text: null, signatoryId: null, addApproverIds: [] };
    const { text: _, ...less } = whole;
    expect((await call('POST', 'Docflow/CreateApprovalTask', less)).status).toBe(404);
    expect(
      (await call('POST', 'Docflow/CreateApprovalTask', { ...whole, addApproverIds: null })).status,
    ).toBe(500);
    expect((await call('POST', 'Docflow/CreateApprovalTask', { ...whole, documentId: 1 })).text).toContain(
      'Create approval task. Document with ID (1) not found.',
    );
  });
});

describe('approval', () => {
  async function started(module = 'Docflow/CreateApprovalTask', more: object = { signatoryId: null }) {
    const documentId = await contract();
    const made = await call('POST', module, { documentId, text: 'т', addApproverIds: [], ...more });
    const taskId: number = made.json.value;
    expect(rx.get('ITasks', taskId).Status).toBe('Draft');
    expect((await call('POST', 'Docflow/StartTask', { taskId })).status).toBe(204);
    return { documentId, taskId };
  }

  it('runs by rule from draft to a sticky Signed, and a new version is unsigned', async () => {
    const { documentId, taskId } = await started();
    expect((await call('POST', 'Docflow/StartTask', { taskId })).status).toBe(400);
    await call('POST', `IContracts(${documentId})/Versions`, {});
    const lambda = `AttachmentDetails/any(a: a/AttachmentId eq ${documentId} and a/GroupId eq 08e1ef90-521f-41a1-a13f-c6f175007e54)`;
    expect((await filtered('IApprovalTasks', lambda)).json.value[0].Id).toBe(taskId);
    rx.requestRework(taskId, 'сумма');
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('OnRework');
    rx.resubmit(taskId);
    rx.approve(taskId);
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('PendingSign');
    rx.sign(documentId);
    expect(rx.get('ITasks', taskId).Status).toBe('Completed');
    const signed = {
      InternalApprovalState: 'Signed',
      OurSignatory: { Id: employee('sidorov@acme.example') },
    };
    expect(rx.get('IContracts', documentId)).toMatchObject({ ...signed, LastVersionApproved: true });
    await call('POST', `IContracts(${documentId})/Versions`, {});
    expect(rx.get('IContracts', documentId)).toMatchObject({ ...signed, LastVersionApproved: false });
  });

  it('runs by process and free, and refuses a signatory without the right', async () => {
    const { documentId, taskId } = await started('DocflowApproval/CreateDocumentFlowTask', {
      addApproverIds: [employee('ivanov@acme.example')],
    });
    rx.approve(taskId);
    rx.refuseToSign(taskId);
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('Aborted');
    const draft = await call('POST', 'Docflow/CreateApprovalTask', {
      ...{ documentId, text: null, addApproverIds: [] },
      signatoryId: employee('ivanov@acme.example'),
    });
    expect((await call('POST', 'Docflow/StartTask', { taskId: draft.json.value })).status).toBe(400);
  });

  it('hands an assignment on any number of times, and the task waits for whoever holds it', async () => {
    const { documentId, taskId } = await started();
    const held = () => rx.all('IAssignments').filter((one) => one.Status === 'InProcess');
    const first = held()[0];
    expect(first.Deadline > first.Created).toBe(true);
    const body = { assignmentId: first.Id, result: 'Forward' };
    expect((await call('POST', 'Docflow/CompleteAssignment', body)).status).toBe(400);
    rx.forward(first.Id, employee('ivanov@acme.example'));
    const last = rx.forward(held()[0].Id, employee('smirnova@acme.example'), 'вам ближе');
    expect(held()).toMatchObject([
      { Id: last, Performer: { Name: 'Смирнова Ольга' }, Deadline: first.Deadline, Task: { Id: taskId } },
    ]);
    expect(rx.get('IAssignments', first.Id)).toMatchObject({ Status: 'Completed', Result: 'Forward' });
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('OnApproval');
    rx.complete(last, 'Approved');
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('PendingSign');
    rx.complete(held()[0].Id, 'Sign');
    expect(rx.get('IContracts', documentId).InternalApprovalState).toBe('Signed');
    expect(() => rx.forward(last, employee('ivanov@acme.example'))).toThrow('уже выполнено');
  });

  it('moves Modified of everything a step writes, and of nothing else', async () => {
    let time = Date.parse('2026-03-02T09:00:00Z');
    await restart({ now: () => new Date(time) });
    const other = await contract();
    const { documentId, taskId } = await started('Docflow/CreateApprovalTask', {
      signatoryId: null,
      addApproverIds: [employee('ivanov@acme.example')],
    });
    const [asked, spare] = rx.all('IAssignments');
    time += 3_600_000;
    rx.complete(asked.Id, 'ForRevision', 'Сумма прописью');
    const now = new Date(time).toISOString();
    const modified = (set: string, id: number) => rx.get(set, id).Modified;
    expect(rx.get('IAssignments', spare.Id)).toMatchObject({ Status: 'Aborted', Modified: now });
    expect(rx.get('IAssignments', asked.Id)).toMatchObject({ ActiveText: 'Сумма прописью', Modified: now });
    expect(rx.all('IAssignments').at(-1)).toMatchObject({ Status: 'InProcess', Modified: now });
    expect([modified('ITasks', taskId), modified('IContracts', documentId)]).toEqual([now, now]);
    time += 3_600_000;
    rx.refuseByCounterparty(documentId);
    expect(modified('IContracts', documentId)).toBe(new Date(time).toISOString());
    expect([modified('ITasks', taskId), modified('IContracts', other)]).toEqual([
      now,
      '2026-03-02T09:00:00.000Z',
    ]);
  });

  it('shows performers as recipients, whose e-mail is on the employee', async () => {
    const { taskId } = await started();
    const about = `MainTask/Id eq ${taskId}`;
    const shown = await filtered('IAssignments', about, '&$select=Id&$expand=Performer($select=Id,Name)');
    expect(shown.json.value[0].Performer.Name).toBe('Петрова Анна');
    const asked = await filtered('IAssignments', about, '&$expand=Performer($select=Email)');
    expect([asked.status, asked.text]).toEqual([400, expect.stringContaining('Email')]);
  });

  it('keeps the state of a locked card while the version is signed', async () => {
    const { documentId, taskId } = await started();
    await call('POST', `IContracts(${documentId})/Versions`, {});
    rx.approve(taskId);
    rx.lockCard(documentId);
    expect((await call('PATCH', `IContracts(${documentId})`, { Note: 'x' })).text).toContain('заблокирован');
    rx.sign(documentId);
    expect(rx.get('IContracts', documentId)).toMatchObject({
      InternalApprovalState: 'PendingSign',
      LastVersionApproved: true,
    });
  });
});

describe('trouble', () => {
  it('can lose the answer after the effect, lock once and go down', async () => {
    rx.misbehave.next({ verb: 'POST', path: 'ICompanies', cutAfterEffect: true });
    await expect(company()).rejects.toThrow();
    expect(rx.all('ICompanies')).toHaveLength(1);
    const id = rx.all('ICompanies')[0].Id;
    rx.misbehave.lockCards(1);
    expect((await call('PATCH', `ICompanies(${id})`, { Note: 'x' })).status).toBe(400);
    expect((await call('PATCH', `ICompanies(${id})`, { Note: 'x' })).status).toBe(204);
    rx.misbehave.forbid.add('ICompanies');
    expect((await call('PATCH', `ICompanies(${id})`, { Note: 'x' })).status).toBe(403);
    rx.misbehave.down = true;
    await expect(company()).rejects.toThrow();
  });

  it('shows people a card with buttons', async () => {
    const id = await contract();
    expect(await (await fetch(`${rx.webUrl}/`)).text()).toContain(
      'Договор "Поставка"'.replaceAll('"', '&quot;'),
    );
    expect(await (await fetch(`${rx.webUrl}/card?id=${id}`)).text()).toContain('Подписать');
  });

  it('shows people the card of an assignment under its link', async () => {
    const documentId = await contract();
    const body = { documentId, text: null, signatoryId: null, addApproverIds: [] };
    const taskId = (await call('POST', 'Docflow/CreateApprovalTask', body)).json.value;
    await call('POST', 'Docflow/StartTask', { taskId });
    const guid = '91cbfdc8-5d5d-465e-95a4-3235b8c01d5b';
    const card = await fetch(`${rx.webUrl}/card?type=${guid}&id=${rx.all('IAssignments')[0].Id}`);
    expect(await card.text()).toMatch(/Согласуйте: .*Петрова Анна/s);
  });
});
