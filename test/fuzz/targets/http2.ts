import fc from 'fast-check';
import {
  ACK,
  checkServerFrames,
  END_HEADERS,
  END_STREAM,
  FRAME,
  type Frame,
  framesOf,
  frameText,
  FRAME_HEAD_BYTES,
} from '../naive-frames.ts';
import { LIMIT_MS, QUIET_TURNS, Served, turn } from '../served.ts';
import { until } from '../stopwatch.ts';
import { Broken, demand, show, type Target } from '../target.ts';

/** RFC 9113 section 3.4. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** Between two writes. */
const PAUSE = '\x1e\x1e';
const EVENTS_PATH = '/containers.ContainerService/Events';

/** RFC 7541 section 6.2.2: a literal that is not remembered, its name out of the static table. */
const literal = (name: string, value: string): string => `${name}${String.fromCharCode(value.length)}${value}`;
const headers = (method: string, path: string, type: string): string =>
  literal('\x02', method) +
  literal('\x06', 'http') +
  literal('\x04', path) +
  literal('\x01', 'x') +
  literal('\x0f\x10', type) +
  literal('\0\x02te', 'trailers');

const GRPC = headers('POST', EVENTS_PATH, 'application/grpc');
const BLOCKS = [
  GRPC,
  headers('POST', '/containers.ContainerService/List', 'application/grpc'),
  headers('GET', EVENTS_PATH, 'text/html'),
  headers('POST', EVENTS_PATH, 'application/grpc+proto'),
];
const SETTINGS = frameText(FRAME.SETTINGS, 0, 0);
/** None; all that there is; until 1970; a length that lies; compressed. */
const MESSAGES = [
  '\0\0\0\0\0',
  '\0\0\0\0\x04\x0a\x02\x08\x01',
  '\0\0\0\0\x04\x12\x02\x08\x01',
  '\0\0\0\0\x7f',
  '\x01\0\0\0\0',
  '\0\0\0\0\x02\x0a\x7f',
];
const request = (stream: number, block: string, message: string): string =>
  frameText(FRAME.HEADERS, END_HEADERS, stream, block) + frameText(FRAME.DATA, END_STREAM, stream, message);
const OTHERS = [
  SETTINGS,
  frameText(FRAME.SETTINGS, ACK, 0),
  frameText(FRAME.SETTINGS, 0, 0, '\0\x04\0\0\0\0'),
  frameText(FRAME.SETTINGS, 0, 0, '\0\x01\0\0\0\0'),
  frameText(FRAME.SETTINGS, 0, 0, '\0\x02\0\0\0\x07'),
  frameText(FRAME.PING, 0, 0, '12345678'),
  frameText(FRAME.PING, 0, 0, '1234'),
  frameText(FRAME.WINDOW_UPDATE, 0, 0, '\x7f\x7f\x7f\x7f'),
  frameText(FRAME.WINDOW_UPDATE, 0, 1, '\0\0\0\0'),
  frameText(FRAME.RST_STREAM, 0, 1, '\0\0\0\x08'),
  frameText(FRAME.GOAWAY, 0, 0, '\0\0\0\0\0\0\0\0'),
  frameText(FRAME.CONTINUATION, END_HEADERS, 1, 'x'),
  frameText(FRAME.DATA, 0, 3, 'x'),
  frameText(2, 0, 1, '\0\0\0\0\x10'),
  frameText(5, END_HEADERS, 1, '\0\0\0\x02'),
  frameText(0x7f, 0, 1, 'x'),
];
const [GRPC_HEAD, GRPC_TAIL] = [GRPC.slice(0, 20), GRPC.slice(20)];
const SPLIT =
  frameText(FRAME.HEADERS, 0, 1, GRPC_HEAD) +
  frameText(FRAME.CONTINUATION, END_HEADERS, 1, GRPC_TAIL) +
  frameText(FRAME.DATA, 0, 1, '\0\0\0') +
  frameText(FRAME.DATA, END_STREAM, 1, '\0\0');

/** Frames of HTTP/2 to the event socket: well-formed ones come back, a clear request is answered, and nobody else notices. */
export const target: Target = {
  sources: ['doors/isulad-door.ts', 'doors/protocol-sniffer.ts'],
  seeds: [
    ...MESSAGES.map((message) => SETTINGS + request(1, GRPC, message)),
    ...BLOCKS.map((block) => SETTINGS + request(1, block, MESSAGES[2]!)),
    ...OTHERS.map((other) => SETTINGS + request(1, GRPC, MESSAGES[0]!) + PAUSE + other),
    SETTINGS + [1, 3, 5, 7].map((stream) => request(stream, GRPC, MESSAGES[2]!)).join(PAUSE),
    SETTINGS + SPLIT,
    SETTINGS + SPLIT + PAUSE + OTHERS.join(PAUSE),
  ],
  dictionary: [
    PAUSE,
    ...MESSAGES,
    ...BLOCKS,
    ...OTHERS,
    '\0\0\0',
    '\x04\0\0\0\0\x01',
    '\0\x01\0\0\0\x01',
    '\0\0\0\x03',
  ],
  arbitrary: fc
    .array(
      fc.oneof(
        fc
          .tuple(fc.constantFrom(1, 3, 5), fc.constantFrom(GRPC, ...BLOCKS), fc.constantFrom(...MESSAGES))
          .map(([stream, block, message]) => request(stream, block, message)),
        fc.constantFrom(...OTHERS, PAUSE, SPLIT),
      ),
      { maxLength: 5 },
    )
    .map((frames) => SETTINGS + frames.join('')),
  batch: 64,
  open: () => Served.run(check),
};

/**
 * Node 20.20 with nghttp2 1.61 aborts the process, whatever it serves, when a frame of a wrong size follows a stream that was begun
 * behind GOAWAY: nothing follows it here.
 */
function untilGoaway(text: string): string {
  const bytes = Buffer.from(text.replaceAll(PAUSE, ''), 'latin1');
  let end = 0;
  for (const { type, payload } of framesOf(bytes).frames) {
    end += FRAME_HEAD_BYTES + payload.length;
    if (type === FRAME.GOAWAY) return bytes.toString('latin1', 0, end);
  }
  return text;
}

async function check(served: Served, given: string): Promise<void> {
  const input = untilGoaway(given);
  const socket = served.connect(false);
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  const pieces = (PREFACE + input).split(PAUSE).filter((piece) => piece !== '');
  for (const piece of pieces) {
    if (socket.writable) socket.write(piece, 'latin1');
    await turn();
  }
  const answered = clearStreams(framesOf(Buffer.from(input.replaceAll(PAUSE, ''), 'latin1')));
  const isAnswered = (stream: number): boolean =>
    framesOf(Buffer.concat(chunks)).frames.some((frame) => frame.type === FRAME.HEADERS && frame.stream === stream);
  await until(
    () => answered.every(isAnswered),
    LIMIT_MS,
    () => new Broken('does not answer', show(answered)),
  );
  for (let turns = 0, count = 0; turns < QUIET_TURNS && !socket.destroyed; turns += 1) {
    await turn();
    if (chunks.length !== count) turns = 0;
    count = chunks.length;
  }
  socket.destroy();
  const frames = checkServerFrames(Buffer.concat(chunks));
  const pongs = frames.filter(({ type, flags }) => type === FRAME.PING && (flags & ACK) > 0);
  for (const { payload } of pongs)
    demand(input.includes(payload.toString('latin1')), 'answers a ping that nobody sent', () =>
      payload.toString('hex'),
    );
  served.checkStrays();
}

/** Streams of requests with which, and around which, nothing is wrong. */
function clearStreams({ frames, rest }: ReturnType<typeof framesOf>): readonly number[] {
  const ended: number[] = [];
  let begun = -1;
  if (rest > 0 || !isEmptySettings(frames[0])) return [];
  for (const [index, frame] of frames.entries()) {
    if (isEmptySettings(frame) && index === 0) continue;
    const { type, flags, stream, payload } = frame;
    const next = frames[index + 1];
    if (type === FRAME.HEADERS && flags === END_HEADERS && stream % 2 === 1 && stream > begun) {
      if (!BLOCKS.includes(payload.toString('latin1')) || next?.type !== FRAME.DATA || next.stream !== stream)
        return [];
      begun = stream;
    } else if (type === FRAME.DATA && flags === END_STREAM && stream === begun && ended.at(-1) !== stream)
      ended.push(stream);
    else if (type !== FRAME.PING || flags !== 0 || stream !== 0 || payload.length !== 8) return [];
  }
  return ended;
}

function isEmptySettings(frame: Frame | undefined): boolean {
  return frame?.type === FRAME.SETTINGS && frame.flags === 0 && frame.stream === 0 && frame.payload.length === 0;
}
