import type { ServerResponse } from 'node:http';
import type { Entity, Store } from './store.ts';

export interface Acts {
  approve(taskId: number): void;
  requestRework(taskId: number, comment?: string): void;
  sign(documentId: number): void;
  abortTask(taskId: number): void;
  register(documentId: number): void;
  tasksOf(documentId: number): Entity[];
}

const escaped = (value: unknown) =>
  String(value ?? '—').replace(
    /[&<>"]/g,
    (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter] ?? letter,
  );

const style =
  'body{font:15px/1.45 system-ui,sans-serif;margin:0;color:#222;background:#f4f5f7}header{background:#ff6b00;color:#fff;padding:12px 24px;font-size:18px}header a{color:#fff;text-decoration:none}main{max-width:960px;margin:20px auto;background:#fff;padding:20px 28px;border-radius:6px}table{border-collapse:collapse;width:100%;margin:8px 0 20px}td,th{text-align:left;padding:6px 10px;border-bottom:1px solid #e3e5e8;vertical-align:top}th{color:#666;font-weight:500}button{font:inherit;padding:5px 12px;margin-right:6px;border:1px solid #bbb;border-radius:4px;background:#fff;cursor:pointer}form{display:inline}h1{font-size:20px}h2{font-size:16px}';

const labels: Record<string, string> = {
  ...{
    Draft: 'В разработке',
    Active: 'Действующий',
    Obsolete: 'Аннулирован',
    Terminated: 'Расторгнут',
    Closed: 'Исполнен',
    Paid: 'Оплачен',
  },
  ...{
    OnApproval: 'На согласовании',
    OnRework: 'На доработке',
    PendingSign: 'На подписании',
    Signed: 'Подписан',
  },
  ...{
    Aborted: 'Прекращён',
    Unsigned: 'Не подписан',
    Registered: 'Зарегистрирован',
    NotRegistered: 'Не зарегистрирован',
    Reserved: 'Номер зарезервирован',
  },
  ...{
    InProcess: 'В работе',
    Completed: 'Выполнено',
    UnderReview: 'На приёмке',
    Suspended: 'Приостановлено',
  },
};
const label = (value: unknown) => escaped(labels[String(value)] ?? value);

/** What a person sees at /Client: documents, a card, and the buttons that move approval along. */
export class Page {
  private readonly store: Store;
  private readonly acts: Acts;

  constructor(store: Store, acts: Acts) {
    this.store = store;
    this.acts = acts;
  }

  answer(verb: string, path: string, query: string, body: string, response: ServerResponse): void {
    const options = new URLSearchParams(query);
    const id = Number(options.get('id'));
    if (verb === 'POST') this.act(new URLSearchParams(body), response);
    else if (/\/card$/i.test(path)) this.html(response, this.card(id, options.get('type') ?? ''));
    else if (/\/body$/i.test(path)) this.download(id, Number(options.get('version')), response);
    else this.html(response, this.list());
  }

  private html(response: ServerResponse, inner: string): void {
    const script =
      "function go(){const m=/^#\\/card\\/([0-9a-f-]{36})\\/(\\d+)/i.exec(location.hash);if(m)location.replace('/Client/card?type='+m[1]+'&id='+m[2])}go();addEventListener('hashchange',go)";
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(
      `<!doctype html><html lang="ru"><meta charset="utf-8"><title>Directum RX (песочница)</title><style>${style}</style><header><a href="/Client/">Directum RX (песочница)</a></header><main>${inner}</main><script>${script}</script></html>`,
    );
  }

  private list(): string {
    const rows = this.store
      .list('OfficialDocument')
      .reverse()
      .map(
        (one) =>
          `<tr><td>${one.Id}</td><td><a href="/Client/card?id=${one.Id}">${escaped(one.Name)}</a></td><td>${label(one.LifeCycleState)}</td><td>${label(one.InternalApprovalState)}</td></tr>`,
      );
    const empty = '<tr><td colspan="4">Документов пока нет</td></tr>';
    return `<h1>Документы</h1><table><tr><th>ИД</th><th>Имя</th><th>Состояние</th><th>Согласование</th></tr>${rows.join('') || empty}</table>`;
  }

  private card(id: number, typeGuid: string): string {
    const family = /^(294767f1|593e143c|80c4e311|f5509cdc)/i.test(typeGuid)
      ? 'Counterparty'
      : 'ElectronicDocument';
    const asTask = /^(d795d1f6|83f2a537|100950d0|77f43035|c51a9c15)/i.test(typeGuid);
    const task = asTask ? this.store.find('Task', id) : undefined;
    const work = /^91cbfdc8/i.test(typeGuid) ? this.store.find('Assignment', id) : undefined;
    const entity = task ?? work ?? this.store.find(family, id);
    if (!entity) return '<h1>Карточка не найдена</h1>';
    const fields = `<h1>${escaped(entity.Name ?? entity.Subject)}</h1><table>${this.fields(entity)}</table>`;
    if (family === 'Counterparty') return fields;
    if (entity === work) return `${fields}${this.tasks(id, [this.store.find('Task', work.Task)])}`;
    if (entity === task) return `${fields}${this.tasks(entity.Id, [task])}`;
    return `${fields}${this.versions(entity)}${this.tasks(id, this.acts.tasksOf(id))}`;
  }

  private fields(entity: Entity): string {
    const shown = [...this.store.typeOf(entity).props.values()].filter(
      (prop) => prop.kind !== 'rows' && prop.kind !== 'body',
    );
    return shown
      .map((prop) => {
        const value = this.store.read(entity, prop);
        if (value === null) return '';
        const target = prop.kind === 'ref' ? this.store.find(prop.target, value) : undefined;
        return `<tr><th>${escaped(prop.name)}</th><td>${target ? escaped(target.Name ?? target.Id) : prop.kind === 'enum' ? label(value) : escaped(value)}</td></tr>`;
      })
      .join('');
  }

  private versions(document: Entity): string {
    const rows = (document.Versions ?? []).map((one: Entity) => {
      const extension = this.store.find('AssociatedApplication', one.AssociatedApplication)?.Extension ?? '—';
      const link = one.Body
        ? `<a href="/Client/body?id=${document.Id}&version=${one.Id}">скачать</a>`
        : 'нет содержимого';
      return `<tr><td>${one.Number}</td><td>${extension}</td><td>${escaped(one.Note)}</td><td>${one.$signed ? 'подписана' : ''}</td><td>${link}</td></tr>`;
    });
    return `<h2>Версии</h2><table>${rows.join('') || '<tr><td>Версий нет</td></tr>'}</table>`;
  }

  private tasks(documentId: number, tasks: Entity[]): string {
    const button = (act: string, id: number, text: string) =>
      `<form method="post" action="/Client/act"><input type="hidden" name="act" value="${act}"><input type="hidden" name="id" value="${id}"><input type="hidden" name="back" value="${documentId}"><button>${text}</button></form>`;
    const blocks = tasks.map((task) => {
      const held = this.store.list('Assignment').filter((one) => one.Task === task.Id);
      const rows = held.map((one) => {
        const who = this.store.find('Recipient', one.Performer)?.Name;
        return `<tr><td>${escaped(one.Subject)}</td><td>${escaped(who)}</td><td>${label(one.Status)}</td><td>${escaped(one.Result)}</td></tr>`;
      });
      const running = task.Status === 'InProcess';
      const buttons = running
        ? button('approve', task.Id, 'Согласовать') +
          button('rework', task.Id, 'На доработку') +
          button('abort', task.Id, 'Прекратить')
        : '';
      return `<h2>${escaped(task.Subject)} (${label(task.Status)})</h2><table>${rows.join('')}</table>${buttons}`;
    });
    const isDocument = this.store.find('OfficialDocument', documentId);
    const buttons =
      button('sign', documentId, 'Подписать') + button('register', documentId, 'Зарегистрировать');
    return blocks.join('') + (isDocument ? `<p>${buttons}</p>` : '');
  }

  private act(form: URLSearchParams, response: ServerResponse): void {
    const id = Number(form.get('id'));
    const back = Number(form.get('back'));
    try {
      const act = form.get('act');
      if (act === 'approve') this.acts.approve(id);
      else if (act === 'rework') this.acts.requestRework(id, 'На доработку');
      else if (act === 'abort') this.acts.abortTask(id);
      else if (act === 'sign') this.acts.sign(id);
      else if (act === 'register') this.acts.register(id);
      response.writeHead(303, { location: `/Client/card?id=${back}` }).end();
    } catch (error) {
      this.html(
        response,
        `<h1>Не получилось</h1><p>${escaped((error as Error).message)}</p><p><a href="/Client/card?id=${back}">К карточке</a></p>`,
      );
    }
  }

  private download(id: number, versionId: number, response: ServerResponse): void {
    const version = this.store
      .find('ElectronicDocument', id)
      ?.Versions?.find((one: Entity) => one.Id === versionId);
    if (!version?.Body) return void response.writeHead(404).end();
    const extension =
      this.store.find('AssociatedApplication', version.AssociatedApplication)?.Extension ?? 'bin';
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader(
      'content-disposition',
      `attachment; filename="document-${id}-v${version.Number}.${extension}"`,
    );
    response.end(version.Body.bytes);
  }
}
