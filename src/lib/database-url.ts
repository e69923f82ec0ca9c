/** The address of a database as the driver reads it, which takes a socket's folder for an empty host. */
export const parseDatabaseUrl = (text: string): URL | null => URL.parse(text.replace('@/', '@socket/'));

/** True for an address whose parts are what they seem to be. */
export function isDatabaseUrl(text: string): boolean {
  const url = parseDatabaseUrl(text);
  return url !== null && /^postgres(ql)?:\/\//.test(text) && !isSplit(url) && isDecodable(url);
}

/** A mark of the password, as `/`, ended it: what follows stands in another part, which messages show. */
function isSplit({ pathname, search, hash }: URL): boolean {
  return (pathname + search + hash).includes('@');
}

/** A part of the address as it is meant; a % that begins no mark stands for itself. @throws URIError */
export const decodeMark = (part: string) => decodeURIComponent(part.replace(/%(?![\da-f]{2})/gi, '%25'));

function isDecodable({ username, password, hostname, pathname }: URL): boolean {
  try {
    for (const part of [username, password, hostname, pathname]) decodeMark(part);
    return true;
  } catch {
    return false;
  }
}

/** The password in the address, as it is written there and as it is meant. */
export function databasePasswords(databaseUrl: string | undefined): string[] {
  const url = databaseUrl === undefined ? null : parseDatabaseUrl(databaseUrl);
  if (url === null) return [];
  const written = [url.password, url.searchParams.get('password') ?? ''];
  return written.flatMap((one) => [one, decodeMark(one)]);
}
