import express from 'express';

/**
 * The bench's baseline of one contract: what a script without any promise does for a call. It answers 200, reads the
 * deal with one batch, looks for the counterparty and for the contract, makes the contract and sends the result. It
 * keeps nothing, repeats nothing and checks nothing.
 */
const {
  PORT,
  PORTAL_URL,
  DIRECTUM_URL = '',
  DIRECTUM_LOGIN,
  DIRECTUM_PASSWORD,
  CONTRACT = '{}',
} = process.env;
const authorization = `Basic ${Buffer.from(`${DIRECTUM_LOGIN}:${DIRECTUM_PASSWORD}`).toString('base64')}`;
const contract = JSON.parse(CONTRACT) as Record<string, unknown>;

async function rest(method: string, token: string, params: Record<string, unknown>): Promise<unknown> {
  const answer = await fetch(`${PORTAL_URL}/rest/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...params, auth: token }),
  });
  return answer.json();
}

async function odata(path: string, body?: unknown): Promise<{ Id: number }> {
  const answer = await fetch(`${DIRECTUM_URL}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization,
      accept: 'application/json',
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  // 204 is how Directum says that nothing was found (directum.md A.5).
  return answer.status === 204 ? { Id: 0 } : ((await answer.json()) as { Id: number });
}

async function work(form: Record<string, never>): Promise<void> {
  const { auth, document_id, event_token } = form as unknown as {
    auth: { access_token: string };
    document_id: string[];
    event_token: string;
  };
  const deal = document_id[2]?.replace('DEAL_', '');
  await rest('batch', auth.access_token, {
    halt: 0,
    cmd: {
      deal: `crm.item.get?entityTypeId=2&id=${deal}`,
      company: 'crm.company.get?id=$result[deal][item][companyId]',
      requisites:
        'crm.requisite.list?filter[ENTITY_TYPE_ID]=4&filter[ENTITY_ID]=$result[deal][item][companyId]',
      user: 'user.get?ID=$result[deal][item][assignedById]',
    },
  });
  const key = `naive:${deal}:${event_token}`;
  await odata(`IContracts?$filter=${encodeURIComponent(`ExternalId eq '${key}'`)}&$select=Id,Name`);
  const counterparty = (contract['Counterparty'] as { Id: number }).Id;
  await odata(`ICompanies(${counterparty})?$select=Id,Name,TIN`);
  const made = await odata('IContracts', { ...contract, ExternalId: key });
  await rest('bizproc.event.send', auth.access_token, {
    EVENT_TOKEN: event_token,
    RETURN_VALUES: { ok: 'Y', document_id: made.Id },
  });
}

const app = express();
app.get('/', (_request, response) => {
  response.status(200).end();
});
app.post(
  '/bitrix24/robots/:code',
  express.urlencoded({ extended: true, limit: '1mb' }),
  (request, response) => {
    response.status(200).end();
    void work(request.body);
  },
);
app.listen(Number(PORT), '127.0.0.1');
