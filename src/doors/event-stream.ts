import type http from 'node:http';
import type net from 'node:net';
import type { ClientHandle, Sink } from '../actors/client.ts';
import type { Heartbeat, Lagged } from '../event/event.ts';
import type { Framing } from '../messages/control.ts';
import type { DirectSocket, SocketWriter } from './socket-writer.ts';

/** How long a client that was cut may take to read what was queued for it. */
export const FLUSH_LIMIT_MS = 5_000;

/** HTTP/1.0 knows no chunks: its body ends with the connection. */
export function framingOf(request: http.IncomingMessage): Framing {
  return request.httpVersionMinor > 0 ? 'chunked' : 'plain';
}

/**
 * Sends the head at once, then the client's lane as it is: its bytes carry their own chunk framing. Node adds the final chunk,
 * on a clean end only.
 * @param words how the dialect says that events are missing, and that all is well; without them such a client is cut
 */
export function streamEvents(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  handle: ClientHandle,
  writer: SocketWriter,
  headers: Readonly<Record<string, string>>,
  words?: (notice: Lagged | Heartbeat) => Uint8Array,
): void {
  const { socket } = response;
  // Gone while we were asking, or waiting its turn behind a stream on the same connection, which never ends.
  if (!socket || response.destroyed) {
    handle.left();
    // Node would keep every such request until the connection ends.
    request.socket.destroy();
    return;
  }
  const isChunked = framingOf(request) === 'chunked';
  response.writeHead(200, {
    ...headers,
    ...(isChunked ? { 'Transfer-Encoding': 'chunked' } : { Connection: 'close' }),
  });
  response.flushHeaders();
  const onDrain = (): void => handle.drained();
  socket.on('drain', onDrain);
  response.once('close', () => {
    socket.off('drain', onDrain);
    handle.left();
  });
  handle.start(streamSink(response, socket, writer.to(socket, onDrain), words));
}

function streamSink(
  response: http.ServerResponse,
  socket: net.Socket,
  direct: DirectSocket,
  words: ((notice: Lagged | Heartbeat) => Uint8Array) | undefined,
): Sink {
  return {
    write: (bytes, _, slab) => direct.write(bytes, slab),
    isClear: () => direct.isClear(),
    gap(gap) {
      if (!words) return false;
      direct.settle();
      socket.write(words(gap));
      return true;
    },
    heartbeat(cursor) {
      if (!words) return;
      direct.settle();
      socket.write(words({ type: 'heartbeat', cursor }));
    },
    end(error) {
      // Without the final chunk the client can tell a cut from an end.
      if (!error) {
        direct.settle();
        return void response.end();
      }
      socket.destroySoon();
      // What is queued never leaves when the client has stopped reading.
      const limit = setTimeout(() => socket.destroy(), FLUSH_LIMIT_MS);
      socket.once('close', () => clearTimeout(limit));
    },
  };
}
