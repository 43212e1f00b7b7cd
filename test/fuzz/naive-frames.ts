import { demand, show } from './target.ts';

/** RFC 9113 section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const FRAME_HEAD_BYTES = 9;
const MAX_FRAME_BYTES = 16_384;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Whole frames, and how many bytes behind them are the beginning of one. */
export function framesOf(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: number } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + FRAME_HEAD_BYTES <= bytes.length) {
    const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + FRAME_HEAD_BYTES, end),
    });
    at = end;
  }
  return { frames, rest: bytes.length - at };
}

/** As a text, for inputs: no byte of it is above 127. */
export function frameText(type: number, flags: number, stream: number, payload = ''): string {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head.toString('latin1') + payload;
}

/** What a server may send, in an order in which it may. @throws Broken */
export function checkServerFrames(bytes: Buffer): readonly Frame[] {
  const { frames } = framesOf(bytes);
  const open = new Map<number, 'open' | 'ended'>();
  let continued = 0;
  for (const [index, { type, flags, stream, payload }] of frames.entries()) {
    const shown = (): string => show({ index, type, flags, stream, bytes: payload.length });
    demand(index > 0 || type === FRAME.SETTINGS, 'does not begin with its settings', shown);
    demand(payload.length <= MAX_FRAME_BYTES, 'sends a frame that is too large', shown);
    demand((Object.values(FRAME) as number[]).includes(type), 'sends a frame that nobody knows', shown);
    demand((type === FRAME.CONTINUATION) === continued > 0, 'breaks off its headers', shown);
    demand(continued === 0 || continued === stream, 'goes on with other headers', shown);
    const isOfStream = type !== FRAME.SETTINGS && type !== FRAME.PING && type !== FRAME.GOAWAY;
    if (type !== FRAME.WINDOW_UPDATE)
      demand(isOfStream ? stream % 2 === 1 : stream === 0, 'sends on a wrong stream', shown);
    const isOurs = type === FRAME.DATA || type === FRAME.HEADERS;
    demand(!isOurs || open.get(stream) !== 'ended', 'goes on behind the end of a stream', shown);
    demand(type !== FRAME.DATA || open.has(stream), 'sends data before headers', shown);
    if (isOurs) open.set(stream, (flags & END_STREAM) > 0 ? 'ended' : 'open');
    if (type === FRAME.RST_STREAM) open.set(stream, 'ended');
    if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) continued = (flags & END_HEADERS) > 0 ? 0 : stream;
  }
  return frames;
}
