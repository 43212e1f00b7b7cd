import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { AccessRule } from '../../../src/doors/access-rule.ts';
import type { LocalPeer } from '../../../src/doors/peer.ts';
import { parseAdmins, RIGHTS } from '../../../src/event/admin-address.ts';
import { compileFilter, parseFilterTerm, type Term } from '../../../src/event/filter.ts';
import { parseListeners } from '../../../src/event/listener-address.ts';
import { parseLoopback } from '../../../src/event/host-and-port.ts';
import type { Principal } from '../../../src/event/principal.ts';
import { addressOf, isPrincipal, type NaiveAddress, type Parameters } from '../naive-address.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const FILE = ['mode', 'owner', 'group'];
const LISTENER: Parameters = { lists: ['types', 'allow'], repeated: ['label', 'namespace'], once: [...FILE, 'redact'] };
const ADMIN: Parameters = { lists: [...RIGHTS], repeated: [], once: FILE };
const CODES = ['ERR_OPTION_INVALID'] as const;
const PEERS: readonly LocalPeer[] = [
  { pid: 1, uid: 0, gid: 0, groups: () => [] },
  { pid: 2, uid: 7, gid: 8, groups: () => [0, 9] },
  { pid: 3, uid: 1000, gid: 1000, groups: () => [1000, 27] },
];
const PRINCIPALS = ['any', 'none', 'uid:0', 'uid:root', 'gid:root', 'gid:9', 'uid:7', 'gid:1000', 'uid:nobody.at.all'];
const PARAMETERS = [
  'types=container',
  'types=container,image',
  'label=team=web',
  'label=a,b',
  'namespace=x',
  'mode=0660',
  'mode=600',
  'owner=root',
  'group=27',
  'redact=off',
  ...PRINCIPALS.flatMap((principal) => [`allow=${principal}`, `read=${principal}`, `publish=${principal},gid:8`]),
  'admin=uid:7',
];
const PATHS = [
  '/run/x.sock',
  'run/x.sock',
  'unix:///run/x.sock',
  'unix:///run/%C3%A9%3F.sock',
  'tcp://x',
  'unix://x',
  '',
];

/** Addresses of sockets, a line each, as `--listen`, `--admin` and `--metrics` take them, and whom they admit. */
export const target: Target = {
  sources: [
    'event/socket-address.ts',
    'event/listener-address.ts',
    'event/admin-address.ts',
    'event/host-and-port.ts',
    'event/principal.ts',
    'doors/access-rule.ts',
    'doors/accounts.ts',
  ],
  seeds: [
    ...PATHS,
    'unix:///run/web.sock?types=container&label=team=web&mode=0660&group=web',
    'unix:///run/a.sock?allow=uid:0,gid:9&allow=uid:7&redact=off',
    'unix:///run/p.sock?mode=0660&group=engine&publish=gid:root',
    'unix:///a\nunix:///b\n/a\n/c',
    Array.from({ length: 17 }, (_, index) => `/run/${index}`).join('\n'),
    '127.0.0.1:9464',
    '[::1]:0',
    'localhost:65535',
    '10.0.0.1:80',
  ],
  dictionary: [
    ...PATHS,
    ...PARAMETERS,
    ...PRINCIPALS,
    'unix:///',
    '?',
    '&',
    '=',
    ',',
    '%20',
    '%00',
    '%',
    '+',
    ':',
    '\n',
    '[::1]',
    '127.',
  ],
  arbitrary: fc.oneof(
    fc
      .array(
        fc
          .tuple(fc.constantFrom(...PATHS), fc.array(fc.constantFrom(...PARAMETERS), { maxLength: 4 }))
          .map(([path, parameters]) => (parameters.length > 0 ? `${path}?${parameters.join('&')}` : path)),
        { minLength: 1, maxLength: 3 },
      )
      .map((lines) => lines.join('\n')),
    fc
      .tuple(fc.constantFrom('127.0.0.1', '127.1.2.300', 'localhost', '[::1]', '::1', '0.0.0.0'), fc.nat(70_000))
      .map(([host, port]) => `${host}:${port}`),
  ),
  batch: 512,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const lines = textOf(input).split('\n');
  checkListeners(lines);
  checkAdmins(lines);
  for (const line of lines) checkLoopback(line);
}

function checkListeners(lines: readonly string[]): void {
  const found = allowed(CODES, () => parseListeners(lines));
  const expected = allOf(lines, LISTENER, isListener);
  demand((found !== undefined) === (expected !== undefined), 'a listener taken or refused against its form', () =>
    show(lines),
  );
  if (!found || !expected) return;
  for (const [index, address] of found.entries()) {
    const { path, mode, values } = expected[index]!;
    const { limit, allow, redact, ...file } = address;
    demand(isDeepStrictEqual(file, fileOf(path, mode ?? 0o660, values)), 'is another socket', () => show(address));
    demand(isDeepStrictEqual(limit, termsOf(values)), 'limits something else', () => show([limit, termsOf(values)]));
    demand(redact === onOff(values.get('redact')?.[0]), 'redacts against its word', () => show(address));
    checkPrincipals(allow, values.get('allow'));
  }
}

function checkAdmins(lines: readonly string[]): void {
  const found = allowed(CODES, () => parseAdmins(lines));
  const expected = allOf(lines, ADMIN, ({ values }) => RIGHTS.every((right) => arePrincipals(values.get(right))));
  demand((found !== undefined) === (expected !== undefined), 'an admin socket taken or refused against its form', () =>
    show(lines),
  );
  if (!found || !expected) return;
  for (const [index, { rights, ...file }] of found.entries()) {
    const { path, mode, values } = expected[index]!;
    demand(isDeepStrictEqual(file, fileOf(path, mode ?? 0o600, values)), 'is another socket', () => show(file));
    const isSaid = RIGHTS.some((right) => values.has(right));
    for (const right of RIGHTS) checkPrincipals(rights[right], values.get(right) ?? [isSaid ? 'none' : 'any']);
  }
}

/** @returns undefined where one of them is wrong, there are too many, or two have one path */
function allOf(
  lines: readonly string[],
  parameters: Parameters,
  isRight: (address: NaiveAddress) => boolean,
): readonly NaiveAddress[] | undefined {
  const addresses: NaiveAddress[] = [];
  for (const line of lines) {
    if (line === '') continue;
    const address = addressOf(line, parameters);
    if (!address || !isRight(address) || addresses.some(({ path }) => path === address.path)) return undefined;
    addresses.push(address);
  }
  return addresses.length > 16 ? undefined : addresses;
}

function isListener({ values }: NaiveAddress): boolean {
  const [redact] = values.get('redact') ?? [];
  const isRedact = redact === undefined || redact === 'on' || redact === 'off';
  const types = values.get('types') ?? [];
  return isRedact && !types.includes('') && arePrincipals(values.get('allow')) && termsOf(values) !== undefined;
}

/** What a filter takes, the filters' own target knows. */
function termsOf(values: NaiveAddress['values']): readonly Term[] | undefined {
  const said = (key: string): readonly string[] => values.get(key) ?? [];
  const texts = [
    ...said('types').map((type) => `type=${type}`),
    ...said('label').map((label) => `label=${label}`),
    ...said('namespace').map((namespace) => `namespace=${namespace}`),
  ];
  return allowed(['ERR_FILTER_INVALID'], () => compileFilter(texts.map(parseFilterTerm)).terms);
}

function arePrincipals(texts: readonly string[] | undefined): boolean {
  return texts === undefined || texts.every(isPrincipal);
}

function fileOf(path: string, mode: number, values: NaiveAddress['values']): unknown {
  const [owner] = values.get('owner') ?? [];
  const [group] = values.get('group') ?? [];
  return { path, mode, ...(owner === undefined ? {} : { owner }), ...(group === undefined ? {} : { group }) };
}

function onOff(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text === 'on';
}

/** Who is meant is who is admitted, and nobody else; of the machine's names that of root alone is known to be there. */
function checkPrincipals(found: readonly Principal[] | undefined, texts: readonly string[] | undefined): void {
  const said = found?.map((principal) =>
    'account' in principal ? `${principal.kind}:${principal.account}` : principal.kind,
  );
  demand(isDeepStrictEqual(said, texts), 'means others', () => show([said, texts]));
  if (!found || !texts) return;
  const rule = allowed(CODES, () => new AccessRule('this', found));
  const isClear = texts.every((text) => /^(?:any|none|[ug]id:(?:\d{1,9}|root))$/.test(text));
  demand(rule !== undefined || !isClear, 'does not know an account', () => show(texts));
  if (!rule || !isClear) return;
  for (const peer of PEERS) {
    const ids = [`uid:${peer.uid}`, ...[peer.gid, ...peer.groups()].map((gid) => `gid:${gid}`), 'any'];
    const isMeant = texts.some((text) => ids.includes(text.replace(/:0*(\d)/, ':$1').replace('root', '0')));
    demand(rule.admits(peer) === isMeant, 'admits others than are meant', () => show([texts, ids]));
  }
  demand(rule.admits(undefined) === texts.includes('any'), 'admits whom it does not know', () => show(texts));
}

function checkLoopback(line: string): void {
  const found = allowed(CODES, () => parseLoopback('metrics', line));
  const colon = line.lastIndexOf(':');
  const [host, port] = [line.slice(0, colon), line.slice(colon + 1)];
  const isPort = /^[0-9]{1,5}$/.test(port) && Number(port) <= 65_535;
  const parts = host.split('.');
  const isFour = parts.length === 4 && parts[0] === '127' && parts.every((part) => String(Number(part) & 255) === part);
  const isHere = colon > 0 && isPort && (host === 'localhost' || host === '[::1]' || isFour);
  demand((found !== undefined) === isHere, 'an address taken or refused that others reach, or not', () => show(line));
  if (found) demand(found.port === Number(port) && host.includes(found.host), 'is another address', () => show(line));
}
