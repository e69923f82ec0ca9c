import type { LocalText } from '../robot/failure.ts';

/** Why no answer came, as the system or a library names it, in words. */
interface Cause {
  code: string;
  text: LocalText;
  /** `host:port`, where the system says it. */
  at: string | null;
  /** The certificate of the other side was not accepted. */
  tls: boolean;
}

const CONNECTING: Readonly<Record<string, LocalText>> = {
  ECONNREFUSED: { en: 'nothing listens there', ru: 'там никто не отвечает' },
  ENOTFOUND: { en: 'no such name in DNS', ru: 'такого имени нет в DNS' },
  EAI_AGAIN: { en: 'DNS does not answer', ru: 'DNS не отвечает' },
  ETIMEDOUT: { en: 'no answer in time', ru: 'нет ответа в отведённое время' },
  UND_ERR_CONNECT_TIMEOUT: { en: 'no connection in time', ru: 'нет соединения в отведённое время' },
  UND_ERR_HEADERS_TIMEOUT: { en: 'no answer in time', ru: 'нет ответа в отведённое время' },
  UND_ERR_BODY_TIMEOUT: { en: 'the answer broke off', ru: 'ответ оборвался' },
  REQUEST_TIMEOUT: { en: 'no answer in time', ru: 'нет ответа в отведённое время' },
  TimeoutError: { en: 'no answer in time', ru: 'нет ответа в отведённое время' },
  ECONNRESET: { en: 'the connection was cut', ru: 'соединение разорвано' },
  EPIPE: { en: 'the connection was cut', ru: 'соединение разорвано' },
  UND_ERR_SOCKET: { en: 'the connection was cut', ru: 'соединение разорвано' },
  EHOSTUNREACH: { en: 'no way to that host', ru: 'до этого узла нет пути' },
  ENETUNREACH: { en: 'no way to that network', ru: 'до этой сети нет пути' },
  EHOSTDOWN: { en: 'that host is down', ru: 'этот узел выключен' },
  EPROTO: { en: 'the other side does not speak TLS', ru: 'другая сторона не поддерживает TLS' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    en: 'the other side does not speak TLS',
    ru: 'другая сторона не поддерживает TLS',
  },
};

const CERTIFICATES: Readonly<Record<string, LocalText>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: { en: 'its certificate is self-signed', ru: 'её сертификат самоподписанный' },
  SELF_SIGNED_CERT_IN_CHAIN: {
    en: 'its certificate is of a private authority',
    ru: 'её сертификат выдан частным центром',
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    en: 'its certificate is of an unknown authority',
    ru: 'её сертификат выдан неизвестным центром',
  },
  UNABLE_TO_GET_ISSUER_CERT: {
    en: 'its certificate is of an unknown authority',
    ru: 'её сертификат выдан неизвестным центром',
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    en: 'its certificate is of an unknown authority',
    ru: 'её сертификат выдан неизвестным центром',
  },
  CERT_HAS_EXPIRED: { en: 'its certificate has expired', ru: 'срок её сертификата истёк' },
  CERT_NOT_YET_VALID: { en: 'its certificate is not valid yet', ru: 'её сертификат ещё не действует' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    en: 'its certificate is of another name',
    ru: 'её сертификат выдан на другое имя',
  },
};

const DEPTH = 6;

/** The cause at the bottom of an error, where it is one of the network. */
export function toCause(error: unknown, depth = 0): Cause | null {
  if (!(error instanceof Error) || depth > DEPTH) return null;
  const { code: named, address, port, host, hostname } = error as Error & Record<string, unknown>;
  const code = typeof named === 'string' ? named : error.name;
  const text = CONNECTING[code] ?? CERTIFICATES[code];
  if (text !== undefined) {
    const name = address ?? host ?? hostname;
    const at = name === undefined ? null : `${name}${port === undefined ? '' : `:${port}`}`;
    // An error about several addresses holds the address only in its parts.
    const inner = at === null ? firstOf(error, depth)?.at : null;
    return { code, text, at: at ?? inner ?? null, tls: code in CERTIFICATES };
  }
  return toCause(error.cause, depth + 1) ?? firstOf(error, depth);
}

function firstOf(error: Error, depth: number): Cause | null {
  return error instanceof AggregateError ? toCause(error.errors[0], depth + 1) : null;
}
