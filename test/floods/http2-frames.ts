/** RFC 9113, as much of it as it takes to be a nuisance. */
export const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, CONTINUATION: 9 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** What every connection begins with. */
export const HELLO = Buffer.concat([PREFACE, frame(FRAME.SETTINGS, 0, 0)]);

/** A literal header without indexing (RFC 7541, 6.2.2), by the index of its name in the static table or by name. */
function literal(name: number | string, value: string): Buffer {
  const named = typeof name === 'number' ? (name < 15 ? [name] : [15, name - 15]) : [0, name.length];
  return Buffer.concat([
    Buffer.from(named),
    Buffer.from(typeof name === 'string' ? name : ''),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

/** The header block of a call of iSulad's events. */
export const CALL = Buffer.concat([
  Buffer.from([0x83, 0x86]),
  literal(4, '/containers.ContainerService/Events'),
  literal(1, 'localhost'),
  literal(31, 'application/grpc'),
  literal('te', 'trailers'),
]);

export function headers(stream: number, block: Uint8Array, isEnd = false): Buffer {
  return frame(FRAME.HEADERS, END_HEADERS | (isEnd ? END_STREAM : 0), stream, block);
}

/** An empty request, which asks for the newest events and all to come. */
export function call(stream: number): Buffer {
  return Buffer.concat([headers(stream, CALL), frame(FRAME.DATA, END_STREAM, stream, new Uint8Array(5))]);
}

export function reset(stream: number): Buffer {
  return frame(FRAME.RST_STREAM, 0, stream, Buffer.from([0, 0, 0, 8]));
}

/** Header blocks that never end: the first frame and what may follow it. */
export function endlessHeaders(stream: number, payload: Uint8Array): readonly [first: Buffer, more: Buffer] {
  return [frame(FRAME.HEADERS, 0, stream, payload), frame(FRAME.CONTINUATION, 0, stream, payload)];
}

/** A header that is put into the dynamic table once, then named again and again: small on the wire, large when read. */
export function swollenHeaders(valueBytes: number, times: number): Buffer {
  const first = Buffer.concat([
    Buffer.from([0x40, 1, 0x78, 0x7f, ...varint(valueBytes - 127)]),
    Buffer.alloc(valueBytes, 0x61),
  ]);
  return Buffer.concat([CALL, first, Buffer.alloc(times, 0x80 | 62)]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
