import type net from 'node:net';
import type { Counters } from '../messages/counters.ts';

/** RFC 9113 section 3.4: the first bytes of every HTTP/2 connection. */
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** A connection that has said nothing for this long is ended. */
const SILENCE_LIMIT_MS = 10_000;

/** Tells HTTP/1.1 from HTTP/2 by the first bytes of a connection and hands it on with those bytes put back. */
export function sniffProtocol(
  socket: net.Socket,
  counters: Counters,
  on: { http1(socket: net.Socket): void; http2(socket: net.Socket): void },
): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => {
    counters.add('connectionsSilent');
    socket.destroy();
  }, SILENCE_LIMIT_MS);
  const settle = (): void => {
    clearTimeout(timer);
    socket.off('readable', look);
    socket.off('close', settle);
  };
  function look(): void {
    for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    }
    if (seen.length === 0) return;
    const compared = Math.min(seen.length, HTTP2_PREFACE.length);
    const isPrefix = seen.subarray(0, compared).equals(HTTP2_PREFACE.subarray(0, compared));
    if (isPrefix && compared < HTTP2_PREFACE.length) return;
    settle();
    socket.unshift(seen);
    if (isPrefix) on.http2(socket);
    else on.http1(socket);
  }
  socket.on('readable', look);
  socket.on('close', settle);
}
