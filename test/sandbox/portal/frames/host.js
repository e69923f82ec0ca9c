/**
 * The portal's side of a frame: reads the messages of the application's page and answers as a portal does (bitrix24.md A2a).
 * Unknown and refused commands, a wrong origin and a wrong APP_SID are met by silence.
 */
const config = JSON.parse(document.getElementById('frame-config').textContent);
const frame = document.getElementById('frame');

const ALLOWED = [
  /^\/crm\/(deal|lead|contact|company|type)\//,
  /^\/marketplace\//,
  /^\/company\/personal\/user\/\d+\//,
  /^\/workgroups\/group\/\d+\//,
];

async function server(what, body = {}) {
  const answer = await fetch(`/frames/${config.sid}/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return answer.json();
}

/** `command:JSON:callback:appSid`, parted from both ends, or the object form. */
function parse(data) {
  if (typeof data === 'object' && data !== null) {
    return { command: data.method, params: data.params ?? {}, callback: data.callback, sid: data.appSid };
  }
  const pieces = String(data).split(':');
  if (pieces.length < 3) return undefined;
  const sid = pieces.pop();
  const callback = pieces.pop();
  const command = pieces.shift();
  const json = pieces.join(':');
  try {
    return { command, params: json === '' ? {} : JSON.parse(json), callback, sid };
  } catch {
    return undefined;
  }
}

/** Opens a slider over the page; what waits for it hears of it when it closes. */
function openSlider(address, closed) {
  const slider = document.createElement('div');
  slider.className = 'slider';
  const button = document.createElement('button');
  button.id = 'slider-close';
  button.textContent = 'Закрыть';
  const inner = document.createElement('iframe');
  inner.src = address;
  button.addEventListener('click', () => {
    slider.remove();
    closed();
  });
  slider.append(button, inner);
  document.body.append(slider);
}

function openPath({ path }, answer) {
  const wanted = String(path);
  if (!ALLOWED.some((one) => one.test(wanted))) {
    answer({ result: 'error', errorCode: 'PATH_NOT_AVAILABLE' });
    return;
  }
  const from = `from=rest_placement&from_app=${encodeURIComponent(config.application)}`;
  openSlider(`${wanted}${wanted.includes('?') ? '&' : '?'}${from}`, () => answer({ result: 'close' }));
}

async function refreshAuth(_params, answer) {
  const fresh = await server('refresh');
  if (fresh.error === undefined) answer(fresh);
  else window.alert(fresh.error);
}

/** Writes hidden inputs of the dialog's form; another shape leaves the former inputs where they are. */
function setPropertyValue(params) {
  const form = document.getElementById('dialog');
  const add = (name, value) => {
    const input = document.createElement('input');
    input.type = 'hidden';
    input.name = name;
    input.value = String(value ?? '');
    input.dataset.written = 'Y';
    form.append(input);
  };
  for (const [code, value] of Object.entries(params)) {
    if (!config.codes.includes(code)) continue;
    const name = `property_${code.toLowerCase()}${Array.isArray(value) ? '[]' : ''}`;
    for (const known of [...form.elements].filter((one) => one.name === name)) known.remove();
    for (const one of Array.isArray(value) ? value : [value]) add(name, one);
  }
}

const everywhere = {
  getInitData: (_params, answer) => answer(config.init),
  refreshAuth,
  openPath,
  openApplication: (params, answer) =>
    openSlider(`${config.applicationPage}&options=${encodeURIComponent(JSON.stringify(params))}`, () =>
      answer(),
    ),
  closeApplication: () => {
    if (config.slider) window.parent.document.getElementById('slider-close').click();
  },
  resizeWindow: ({ width, height }, answer) => {
    if (config.slider) return;
    const size = (value) => (typeof value === 'number' || /^\d+$/.test(value) ? `${value}px` : String(value));
    if (width !== undefined) frame.style.width = size(width);
    if (height !== undefined) frame.style.height = size(height);
    answer({ width: frame.offsetWidth, height: frame.offsetHeight });
  },
  setInstall: (params, answer) => answer(params),
  setInstallFinish: async () => {
    const { finished } = await server('install-finish');
    window.location.search = `${window.location.search}&install_finished=${finished ? 'Y' : 'N'}`;
  },
  setAppOption: async (params, answer) => {
    const { options } = await server('app-option', params);
    if (options !== undefined) answer(options);
  },
  setUserOption: async (params, answer) => answer((await server('user-option', params)).options),
  getInterface: (_params, answer) =>
    answer({ command: Object.keys(placements[config.page] ?? {}), event: [] }),
};

/** Commands of one placement only; the application's own page has those that placements refuse. */
const placements = {
  application: {
    setTitle: ({ title }, answer) => {
      document.title = String(title);
      answer({ title });
    },
    setScroll: (params, answer) => answer(params),
    reloadWindow: () => window.location.reload(),
  },
  tab: { reloadData: (_params, answer) => answer() },
  robot: { setPropertyValue },
};

window.addEventListener('message', async (event) => {
  if (event.origin !== config.origin) return;
  const message = parse(event.data);
  if (message === undefined || message.sid !== config.sid) return;
  const { command, params, callback } = message;
  const run = placements[config.page]?.[command] ?? everywhere[command];
  // The only command that answers nothing must not wait: Save may be pressed right after it.
  if (run === setPropertyValue) setPropertyValue(params);
  const { silent } = await server('message', { command, params, known: run !== undefined });
  if (run === undefined || run === setPropertyValue || silent) return;
  await run(params, (value) =>
    frame.contentWindow.postMessage(
      `${callback}:${value === undefined ? '' : JSON.stringify(value)}`,
      config.origin,
    ),
  );
});

document.getElementById('dialog')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const inputs = [...event.target.elements]
    .filter(({ name }) => name)
    .map(({ name, value, type, dataset }) => ({
      name,
      value,
      written: type !== 'hidden' || dataset.written === 'Y',
    }));
  const { error } = await server('save', { inputs });
  document.getElementById('dialog-state').textContent = error ?? 'Сохранено';
});

document.getElementById('opening')?.submit();
