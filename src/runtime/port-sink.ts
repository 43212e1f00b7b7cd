import type { MessagePort } from 'node:worker_threads';
import type { ClientHandle, Sink } from '../actors/client.ts';
import type { SubscriberCommand, SubscriberNotice } from '../messages/subscriber.ts';

/** Batches on their way to the subscriber; then it must consume one first. */
const MAX_IN_FLIGHT = 8;

/** Delivers a client of the embedding program over its own port: batches of packed records, by reference. */
export function startPortSink(handle: ClientHandle, port: MessagePort): void {
  let inFlight = 0;
  const post = (notice: SubscriberNotice): void => port.postMessage(notice);
  const sink: Sink = {
    write(bytes, events) {
      inFlight += 1;
      const memory = bytes.buffer as SharedArrayBuffer;
      post({ type: 'batch', memory, from: bytes.byteOffset, to: bytes.byteOffset + bytes.length, count: events });
      return inFlight < MAX_IN_FLIGHT;
    },
    gap(gap) {
      post({ type: 'gap', gap });
      return true;
    },
    heartbeat() {},
    end(error) {
      post({ type: 'ended', ...(error ? { error: error.toData() } : {}) });
      port.close();
    },
  };
  port.on('message', (command: SubscriberCommand) => {
    if (command.type === 'unsubscribe') {
      handle.left();
      port.close();
      return;
    }
    inFlight -= 1;
    handle.drained();
  });
  // The subscriber's side may vanish without a word.
  port.on('close', () => handle.left());
  handle.start(sink);
}
