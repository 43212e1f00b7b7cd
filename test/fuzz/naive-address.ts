/** What a socket address says, by the words of docs/protocol.md: read part by part, without a pattern. */
export interface NaiveAddress {
  readonly path: string;
  readonly mode: number | undefined;
  /** Of the other parameters each value, in order; lists are taken apart. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export interface Parameters {
  /** Lists with commas that may be given more than once. */
  readonly lists: readonly string[];
  /** May be given more than once, commas belong to the value. */
  readonly repeated: readonly string[];
  readonly once: readonly string[];
}

const SCHEME = 'unix://';

/** @returns undefined when it is to be refused for its form */
export function addressOf(text: string, { lists, repeated, once }: Parameters): NaiveAddress | undefined {
  if (text === '') return undefined;
  if (!text.startsWith(`${SCHEME}/`)) {
    const scheme = text.slice(0, Math.max(0, text.indexOf('://')));
    const isScheme = Array.from(scheme).every((letter) => /[A-Za-z0-9+.-]/.test(letter)) && /^[A-Za-z]/.test(scheme);
    return isScheme || text.includes('?') || text.includes('\0')
      ? undefined
      : { path: text, mode: undefined, values: new Map() };
  }
  const question = text.indexOf('?');
  const path = decoded(question < 0 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, question));
  if (path === undefined || path.includes('\0')) return undefined;
  const query = question < 0 ? '' : text.slice(question + 1);
  const values = new Map<string, string[]>();
  for (const pair of query === '' ? [] : query.split('&')) {
    const [key = '', ...rest] = pair.split('=');
    const value = decoded(rest.join('=').split('+').join(' '));
    if (value === undefined || value === '') return undefined;
    const before = values.get(key);
    if (before && once.includes(key)) return undefined;
    if (![...lists, ...repeated, ...once].includes(key)) return undefined;
    values.set(key, [...(before ?? []), ...(lists.includes(key) ? value.split(',') : [value])]);
  }
  const mode = values.get('mode')?.[0];
  const digits = mode?.length === 4 && mode.startsWith('0') ? mode.slice(1) : mode;
  if (digits !== undefined && (digits.length !== 3 || Array.from(digits).some((digit) => digit < '0' || digit > '7')))
    return undefined;
  for (const account of ['owner', 'group']) if (values.get(account)?.some((name) => !isAccount(name))) return undefined;
  return { path, mode: digits === undefined ? undefined : Number(`0o${digits}`), values };
}

/** `any`, `none`, `uid:` or `gid:` and a name. */
export function isPrincipal(text: string): boolean {
  if (text === 'any' || text === 'none') return true;
  const account = text.slice(4);
  return (text.startsWith('uid:') || text.startsWith('gid:')) && isAccount(account) && !account.includes(',');
}

function isAccount(name: string): boolean {
  return name !== '' && Array.from(name).every((letter) => letter !== ':' && letter.trim() !== '');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
