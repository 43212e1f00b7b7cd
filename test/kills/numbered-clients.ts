import { parentPort, workerData } from 'node:worker_threads';
import { TocsinClient } from '../../src/client/tocsin-client.ts';

export interface ClientsTask {
  readonly host: string;
  readonly clients: number;
  /** Of each client: the number that it has come to. */
  readonly progress: SharedArrayBuffer;
}

/** What is wrong with a client's stream. */
export interface ClientFault {
  readonly client: number;
  readonly expected: number;
  readonly got: number | string;
}

// Clients that come back where they were cut off, and check that their numbers follow.
const { host, clients, progress } = workerData as ClientsTask;
const reached = new Int32Array(progress);
const MARK = Buffer.from('n=');
const NEWLINE = 0x0a;
const DOT = 0x2e;

function numberIn(bytes: Buffer, from: number): number {
  let number = 0;
  for (let at = from; bytes[at] !== DOT; at += 1) number = number * 10 + bytes[at]! - 0x30;
  return number;
}

function fault(client: number, expected: number, got: number | string): void {
  parentPort!.postMessage({ client, expected, got } satisfies ClientFault);
}

async function follow(client: number): Promise<void> {
  let expected = 1;
  try {
    for await (const { bytes } of new TocsinClient({ host }).lines({ since: '0' })) {
      const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < lines.length; ) {
        const end = lines.indexOf(NEWLINE, at);
        const mark = lines.indexOf(MARK, at);
        if (mark < 0 || (end >= 0 && mark > end)) {
          fault(client, expected, lines.toString('latin1', at, end < 0 ? undefined : end));
        } else {
          const number = numberIn(lines, mark + MARK.length);
          if (number !== expected) fault(client, expected, number);
          expected = number + 1;
        }
        at = end < 0 ? lines.length : end + 1;
      }
      Atomics.store(reached, client, expected - 1);
    }
    fault(client, expected, 'the end of the stream');
  } catch (error) {
    fault(client, expected, String(error));
  }
}

for (let client = 0; client < clients; client += 1) void follow(client);
