import http2 from 'node:http2';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeEvent, encodeRequest } from '../../support/isulad-proto.ts';
import { requestOf } from '../naive-protobuf.ts';
import { LIMIT_MS, QUIET_TURNS, Served, turn } from '../served.ts';
import { until } from '../stopwatch.ts';
import { Broken, demand, show, type Target } from '../target.ts';

const PATH = '/containers.ContainerService/Events';
const TYPE = 'application/grpc';
/** Between two writes. */
const PAUSE = '\x1e\x1e';
const PREFIX_BYTES = 5;
/** gRPC status codes. */
const [OK, UNIMPLEMENTED, INTERNAL] = ['0', '12', '13'];

const head = (path = PATH, type = TYPE, after = ''): string => `${path} ${type} ${after}\n`;
const framed = (message: string, length = message.length): string =>
  `\0\0\0${String.fromCharCode(length >> 8)}${String.fromCharCode(length & 255)}${message}`;
const protobuf = (request: Parameters<typeof encodeRequest>[0]): string =>
  Buffer.from(encodeRequest(request)).toString('latin1');
const MESSAGES = [
  '',
  protobuf({ id: 'c1' }),
  protobuf({ since: { seconds: 1 } }),
  protobuf({ until: { seconds: 1 } }),
  protobuf({ since: { seconds: 1, nanos: 2 }, until: { seconds: 5 }, storeOnly: true, id: '7' }),
  '\x2a\x01x',
  '\x0a\x7f',
];

/** Calls of iSulad's service: one message in a body, in pieces. Each is answered as its form says, with whole events in order. */
export const target: Target = {
  sources: ['doors/isulad-door.ts', 'codec/isulad-grpc.ts'],
  seeds: [
    ...MESSAGES.map((message) => head() + framed(message)),
    ...MESSAGES.map((message) => head() + PAUSE + framed(message).slice(0, 3) + PAUSE + framed(message).slice(3)),
    head() + framed('') + framed(''),
    head() + framed('', 1),
    `${head()}\x01\0\0\0\0`,
    head(),
    head(`${PATH}2`) + framed(''),
    head(PATH, 'text/plain') + framed(''),
    head(PATH, 'application/grpc-web') + framed(''),
    head(PATH, TYPE, 'k3x7q2mf-1') + framed(''),
    head(PATH, TYPE, 'x') + framed(''),
    head('/') + framed('x'.repeat(300)),
  ].map((text) => Buffer.from(text, 'latin1')),
  dictionary: [
    PAUSE,
    PATH,
    `${TYPE} `,
    head(),
    framed(''),
    '\0\0\0\0',
    '\x0a\x02\x08\x01',
    '\x12\x02\x08\x01',
    '\x22\x01a',
    '/',
    ' ',
  ],
  arbitrary: fc
    .tuple(
      fc.constantFrom(head(), head(), head(), head('/x'), head(PATH, 'x')),
      fc.constantFrom('\x0a\x00', '\x0a\x02\x08\x01', '\x12\x02\x08\x01', '\x18\x01', '\x22\x01a', ''),
      fc.constantFrom('\x12\x04\x08\x02\x10\x01', '\x2a\x01x', '\x22\x0212', '\x3d', ''),
      fc.constantFrom(0, 0, 0, 1, -1),
    )
    .map(([first, one, other, more]) => first + framed(one + other, Math.max(0, one.length + other.length + more))),
  batch: 64,
  open: () => Served.run(check),
};

interface Call {
  readonly path: string;
  readonly type: string;
  readonly after: string;
  readonly pieces: readonly string[];
}

function callOf(input: string): Call {
  const end = input.indexOf('\n');
  const words = input.slice(0, Math.max(0, end)).replaceAll(/[^ -~]/g, '');
  const [path = '', type = '', after = ''] = words.split(' ');
  return { path: `/${path.slice(1)}`, type, after, pieces: input.slice(end + 1).split(PAUSE) };
}

/** What came back. */
interface Reply {
  headers: (http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader) | undefined;
  trailers: http2.IncomingHttpHeaders | undefined;
  readonly chunks: Buffer[];
  isClosed: boolean;
}

async function check(served: Served, input: string): Promise<void> {
  const call = callOf(input);
  const socket = served.connect(false);
  const session = http2.connect('http://x', { createConnection: () => socket });
  session.on('error', () => {});
  try {
    const reply = await answered(session, call);
    checkReply(call, reply, served.published);
  } finally {
    session.destroy();
    socket.destroy();
  }
  served.checkStrays();
}

async function answered(session: http2.ClientHttp2Session, call: Call): Promise<Reply> {
  const { path, type, after, pieces } = call;
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    ...(type === '' ? {} : { 'content-type': type }),
    ...(after === '' ? {} : { 'x-tocsin-after': after }),
  });
  const reply: Reply = { headers: undefined, trailers: undefined, chunks: [], isClosed: false };
  stream.on('error', () => {});
  stream.on('response', (headers) => (reply.headers = headers));
  stream.on('trailers', (headers) => (reply.trailers = headers));
  stream.on('data', (chunk: Buffer) => reply.chunks.push(chunk));
  stream.on('close', () => (reply.isClosed = true));
  for (const piece of pieces) {
    if (piece !== '' && stream.writable) stream.write(piece, 'latin1');
    await turn();
  }
  stream.end();
  await until(
    () => reply.headers !== undefined || reply.isClosed,
    LIMIT_MS,
    () => new Broken('does not answer', show(call)),
  );
  const expected = expectedOf(call);
  if (expected !== 'runs' && expected !== undefined)
    await until(
      () => reply.isClosed,
      LIMIT_MS,
      () => new Broken('does not come to its end', show(call)),
    );
  for (let turns = 0, count = 0; turns < QUIET_TURNS && !reply.isClosed; turns += 1) {
    await turn();
    if (reply.chunks.length !== count) turns = 0;
    count = reply.chunks.length;
  }
  stream.close(http2.constants.NGHTTP2_CANCEL);
  return reply;
}

/** An HTTP status or one of gRPC for a refusal; a stream that ends at once, or goes on; undefined where implementations differ. */
function expectedOf({ path, type, after, pieces }: Call): string | undefined {
  if (!type.startsWith(TYPE)) return '415';
  if (path !== PATH) return UNIMPLEMENTED;
  const body = Buffer.from(pieces.join(''), 'latin1');
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES)
    return INTERNAL;
  const request = requestOf(body.subarray(PREFIX_BYTES));
  if (request === 'unclear') return undefined;
  // No cursor leads into a log that has just begun.
  if (!request || after !== '') return INTERNAL;
  // There may be a container of this name.
  if (request.id !== '') return undefined;
  const { since, until: to } = request;
  if (!to) return 'runs';
  if (since && (since.sec > to.sec || (since.sec === to.sec && since.nanos > to.nanos))) return INTERNAL;
  return to.sec < Date.now() / 1000 - 10 ? 'ends' : undefined;
}

function checkReply(call: Call, { headers, trailers, chunks, isClosed }: Reply, published: number): void {
  const expected = expectedOf(call);
  const status = headers?.[':status'];
  const code = headers?.['grpc-status'] ?? trailers?.['grpc-status'];
  const shown = (): string => show([call, status, code, headers?.['grpc-message']]);
  demand(headers !== undefined, 'closes a stream without an answer', shown);
  if (expected === '415') return demand(status === 415, 'takes a call that is none', shown);
  demand(status === 200 && headers['content-type'] === TYPE, 'answers with no gRPC', shown);
  if (expected === UNIMPLEMENTED || expected === INTERNAL)
    return demand(code === expected && chunks.length === 0, 'is not refused for its form', shown);
  const ids = idsOf(Buffer.concat(chunks), isClosed);
  const isConsecutive = ids.every((id, index) => index === 0 || id === ids[index - 1]! + 1);
  demand(isConsecutive, 'leaves out events, or says them in another order', () => show(ids));
  if (expected === 'ends') demand(code === OK && ids.length === 0, 'does not end cleanly', shown);
  if (expected !== 'runs') return;
  demand(code === undefined && !isClosed, 'ends a stream by itself', shown);
  const { since } = requestOf(Buffer.from(call.pieces.join(''), 'latin1').subarray(PREFIX_BYTES)) as Exclude<
    ReturnType<typeof requestOf>,
    undefined | 'unclear'
  >;
  if (since && since.sec > 1_000_000) return;
  demand(isDeepStrictEqual(ids.at(-1) ?? 0, published), 'does not come to the newest event', () =>
    show([ids, published]),
  );
}

/** Names of the containers in a body of whole messages; those of the healthy source are numbers. */
function idsOf(body: Buffer, isClosed: boolean): number[] {
  const ids: number[] = [];
  let at = 0;
  while (at + PREFIX_BYTES <= body.length) {
    const end = at + PREFIX_BYTES + body.readUInt32BE(at + 1);
    if (body[at] !== 0 || end > body.length) break;
    const { opt, id } = decodeEvent(body.subarray(at + PREFIX_BYTES, end));
    demand(opt === 'container start', 'is another event', () => show([opt, id]));
    ids.push(Number(id));
    at = end;
  }
  demand(at === body.length || !isClosed, 'ends within a message', () => show([at, body.length]));
  return ids;
}
