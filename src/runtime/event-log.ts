import sonicBoom from 'sonic-boom';
import type { Fanout } from '../actors/fanout.ts';
import { gapLogLine } from '../codec/event-log.ts';
import { TocsinError } from '../event/errors.ts';
import type { Counters } from '../messages/counters.ts';

/** The event log: a text file that is one more client, from the first event on. */
export interface EventLog {
  /** Opens the path anew, after a rotation; nothing is lost in between. */
  reopen(): void;
  /** Resolves when what the log was given is in the file. */
  close(): Promise<void>;
}

const FILE_MODE = 0o640;
const RETRY_MS = 1_000;
const CLOSE_LIMIT_MS = 2_000;

export interface EventLogOptions {
  readonly path: string;
  /** Cursor of the event before the first one that is to be in the file. */
  readonly after: string;
  /** As of a subscription. */
  readonly redact: boolean;
}

/** @throws ERR_EVENT_LOG_UNUSABLE */
export async function openEventLog(
  fanout: Fanout,
  { path, after, redact }: EventLogOptions,
  counters: Counters,
): Promise<EventLog> {
  const file = new sonicBoom.SonicBoom({ dest: path, contentMode: 'buffer', mode: FILE_MODE });
  await new Promise<void>((resolve, reject) => {
    file.once('ready', resolve);
    file.once('error', (cause: Error) => {
      reject(
        new TocsinError('ERR_EVENT_LOG_UNUSABLE', `the event log ${path} cannot be opened: ${cause.message}`, {
          cause,
        }),
      );
    });
  });
  let retry: NodeJS.Timeout | undefined;
  file.removeAllListeners('error');
  file.on('error', () => {
    counters.add('eventLogErrors');
    // It keeps what it could not write, and tries again when there is more to write: an empty write will do.
    clearTimeout(retry);
    retry = setTimeout(() => write(new Uint8Array(0)), RETRY_MS);
  });
  const closed = new Promise<void>((resolve) => file.once('close', () => resolve()));
  let isEnded = false;
  const end = (): void => {
    clearTimeout(retry);
    if (!isEnded) file.end();
    isEnded = true;
  };
  const write = (bytes: Uint8Array): boolean =>
    isEnded || file.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) as unknown as string);
  const handle = await fanout.subscribe({
    door: 'event-log',
    peer: path,
    format: 'event-log',
    start: { from: 'cursor', cursor: after },
    follow: true,
    filter: [],
    redact,
    lagLimit: 0,
    heartbeatMs: 0,
  });
  file.on('drain', () => handle.drained());
  handle.start({
    write,
    gap(gap) {
      write(gapLogLine(gap));
      return true;
    },
    heartbeat() {},
    end,
  });
  return {
    reopen() {
      if (!isEnded) file.reopen();
    },
    async close() {
      end();
      let limit: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        limit = setTimeout(resolve, CLOSE_LIMIT_MS);
      });
      await Promise.race([closed, late]);
      clearTimeout(limit);
      file.destroy();
    },
  };
}
