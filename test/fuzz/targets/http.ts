import fc from 'fast-check';
import { type Exchange, Served } from '../served.ts';
import type { Target } from '../target.ts';

/** Between two writes. */
const PAUSE = '\x1e';
const ADMIN = 'admin\n';
const HOST = 'Host: x\r\n';
const EVENT = '{"type":"container","action":"start","id":"c1"}\n';

const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const withBody = (method: string, path: string, body: string): string =>
  `${method} ${path} HTTP/1.1\r\n${HOST}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const chunked = (method: string, path: string, chunks: readonly string[]): string =>
  `${method} ${path} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${[...chunks, ''].map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('')}`;

const EVENT_PATHS = [
  '/v1/events',
  '/v1/events?since=0&follow=false',
  '/v1/events?since=10m&heartbeat=1',
  '/v1/events?filters=%7B%22name~%22:%5B%22%5Ea%22%5D%7D&since=0',
  '/events?until=0',
  '/v1.41/events?since=0&until=10m',
  '/v1.54/events?filters=%7B%22type%22:%7B%22container%22:true%7D%7D&cursor=1&since=1',
  '/_ping',
  '/v1.40/_ping',
  '/version',
  '/info',
  '/containers/json?all=1',
  '/containers/c1/json',
  '/healthz',
  '/readyz',
  '/v1.99/version',
  '/v1.20/version',
  '/nowhere',
  '//',
  '/v1/../events?until=0',
];
const ADMIN_PATHS = [
  '/v1/events',
  '/v1/events?publisher=p&sequence=1',
  '/v1/events?publisher=p',
  '/v1/events?publisher=p&sequence=-1',
  '/v1/events?colour=red',
  '/v1/history',
  '/v1/containers',
  '/v1/containers/c1',
  '/v1/containers/%zz',
  '/v1/clients',
  '/v1/stats',
  '/healthz',
  '/readyz',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];
const HEADERS = [
  'Accept: text/event-stream\r\n',
  'Accept: application/json-seq, application/jsonl;q=0.5\r\n',
  'Last-Event-ID: k3x7q2mf-7\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n',
  'Expect: 100-continue\r\n',
  'Content-Encoding: gzip\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X: \u00e9\r\n',
];
const BODIES = [
  '',
  EVENT,
  '{"name":"web","image":"bb","pid":7,"labels":{"a":"b"}}',
  '[]',
  'x',
  `${EVENT}{"Type":"image","Action":"pull","id":"x"}\n`,
];

const request = (paths: readonly string[]): fc.Arbitrary<string> =>
  fc
    .record({
      method: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom('GET', 'POST', 'PUT') },
        { weight: 2, arbitrary: fc.constantFrom(...METHODS) },
      ),
      path: fc.constantFrom(...paths),
      headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 2 }),
      body: fc.constantFrom(...BODIES),
      form: fc.constantFrom('none', 'length', 'chunked', 'one-zero'),
    })
    .map(({ method, path, headers, body, form }) => {
      if (form === 'length') return withBody(method, path, body);
      if (form === 'chunked')
        return chunked(
          method,
          path,
          body === '' ? [] : [body.slice(0, 7), body.slice(7)].filter((part) => part !== ''),
        );
      return `${method} ${path} HTTP/1.${form === 'none' ? 1 : 0}\r\n${HOST}${headers.join('')}\r\n`;
    });

/** Bytes on both sockets of a whole service: each connection gets well-formed answers, and nobody else notices. */
export const target: Target = {
  sources: [
    'doors/http1-door.ts',
    'doors/protocol-sniffer.ts',
    'doors/native-door.ts',
    'doors/docker-door.ts',
    'doors/docker-containers.ts',
    'doors/accept-header.ts',
    'doors/event-stream.ts',
    'doors/http-reply.ts',
    'doors/admin-door.ts',
    'doors/admin-publish.ts',
  ],
  seeds: [
    ...EVENT_PATHS.map((path) => get(path)),
    ...ADMIN_PATHS.map((path) => ADMIN + get(path)),
    ...HEADERS.map((header) => get('/v1/events?since=0&follow=0', header)),
    ADMIN + withBody('POST', '/v1/events', EVENT),
    ADMIN + chunked('POST', '/v1/events?publisher=p&sequence=1', [EVENT, EVENT]),
    ADMIN + withBody('PUT', '/v1/containers/c1', BODIES[2]!),
    `${ADMIN}DELETE /v1/containers/c1 HTTP/1.1\r\n${HOST}\r\n`,
    ADMIN + withBody('PUT', '/v1/containers/c1', JSON.stringify({ name: 'x'.repeat(70_000) })),
    ADMIN + withBody('POST', '/v1/history', EVENT),
    get('/_ping') + get('/version') + get('/v1/nowhere'),
    `HEAD /_ping HTTP/1.1\r\n${HOST}\r\n`,
    `GET /v1/events?since=0 HTTP/1.0\r\n\r\n`,
    `GET /heal${PAUSE}thz HTTP/1.1\r\n${PAUSE}${HOST}\r${PAUSE}\n\r\n`,
    `GET /v1/events HTTP/1.1\r\n${HOST}`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
    'hello\r\n\r\n',
  ],
  dictionary: [
    PAUSE,
    ADMIN,
    HOST,
    EVENT,
    '\r\n',
    '\r\n\r\n',
    ' HTTP/1.1\r\n',
    ' HTTP/1.0\r\n',
    '0\r\n\r\n',
    '5\r\nhello\r\n',
    '%00',
    '%zz',
    '//',
    '?',
    '#',
    '&',
    '://',
    ...METHODS.map((method) => `${method} `),
    ...EVENT_PATHS,
    ...ADMIN_PATHS,
    ...HEADERS,
  ],
  arbitrary: fc.oneof(
    fc.array(request(EVENT_PATHS), { minLength: 1, maxLength: 3 }).map((requests) => requests.join('')),
    fc.array(request(ADMIN_PATHS), { minLength: 1, maxLength: 3 }).map((requests) => ADMIN + requests.join('')),
  ),
  batch: 64,
  open: async () => {
    const served = await Served.open();
    return {
      check: (input) => served.exchange(exchangeOf(Buffer.from(input))),
      rest: () => served.rest(),
      close: () => served.close(),
    };
  },
};

function exchangeOf(input: Buffer): Exchange {
  const isAdmin = input.subarray(0, ADMIN.length).equals(Buffer.from(ADMIN));
  const text = input.toString('latin1', isAdmin ? ADMIN.length : 0);
  const pieces = text.split(PAUSE).filter((piece) => piece !== '');
  return {
    isAdmin,
    pieces: pieces.map((piece) => Buffer.from(piece, 'latin1')),
    last:
      (['vanish', 'end', 'linger'] as const)[(input.reduce((sum, byte) => (sum * 31 + byte) | 0, 7) >>> 1) % 3] ??
      'end',
  };
}
