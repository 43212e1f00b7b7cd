import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { asTocsinError, type ErrorCode, TocsinError } from '../event/errors.ts';
import { parseDurationMs } from '../event/time.ts';
import { type EventLine, LineChecker, linesOf } from './event-lines.ts';
import { EXIT_OK } from './exit.ts';
import { request, textOf } from './http-client.ts';
import { adminSocketOf } from './paths.ts';
import { Progress } from './progress.ts';

interface PublishFlags {
  readonly root?: string;
  readonly host?: string;
  readonly publisher?: string;
  readonly retry: string;
}

interface Answer {
  readonly cursor: string;
  readonly appended: number;
  readonly repeated: number;
}

const LF = Buffer.from('\n');
const MAX_BATCH_LINES = 512;
const MAX_BATCH_BYTES = 256 * 1024;
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 2_000;
/** What another try may mend; with the publisher's own numbers no event comes twice for it. */
const RETRIED: readonly ErrorCode[] = [
  'ERR_DAEMON_UNAVAILABLE',
  'ERR_PUBLISH_FULL',
  'ERR_IMPORT_RUNNING',
  'ERR_PIPELINE_CLOSED',
];

export function addPublishCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  program
    .command('publish')
    .description('Publish events from stdin, one JSON line each; prints the cursor of the last one')
    .option('-H, --host <host>', 'Admin socket of the daemon, unix:///path')
    .option('--root <folder>', 'Folder of a daemon started with --root')
    .option('--publisher <name>', 'Name under which these lines are numbered: the same input again adds nothing twice')
    .option('--retry <duration>', 'How long to try again when the daemon is away or busy', '30s')
    .action((flags: PublishFlags) => run(() => publish(flags)));
}

async function publish(flags: PublishFlags): Promise<number> {
  const retryMs = parseDurationMs(flags.retry);
  if (retryMs === undefined)
    throw new TocsinError('ERR_OPTION_INVALID', `retry: expected a duration such as 30s, got ${flags.retry}`);
  const socketPath = adminSocketOf(flags);
  const publisher = flags.publisher ?? `cli-${randomUUID()}`;
  const progress = new Progress();
  const checker = new LineChecker();
  let sequence = 1;
  let repeated = 0;
  let cursor = '';
  try {
    for await (const lines of linesOf(process.stdin as AsyncIterable<Buffer>)) {
      for (const batch of batchesOf(lines)) {
        const { valid, error } = checked(batch, checker);
        if (valid.length > 0) {
          const answer = await sendBatch(socketPath, { publisher, sequence, lines: valid }, retryMs);
          sequence += valid.length;
          repeated += answer.repeated;
          ({ cursor } = answer);
          progress.show(sequence - 1, `, cursor ${cursor}`);
        }
        if (error) throw error;
      }
    }
  } finally {
    progress.clear();
    process.stderr.write(`tocsin: ${sequence - 1} events published, ${repeated} of them had been there\n`);
  }
  if (cursor) process.stdout.write(`${cursor}\n`);
  return EXIT_OK;
}

async function sendBatch(
  socketPath: string,
  batch: { readonly publisher: string; readonly sequence: number; readonly lines: readonly EventLine[] },
  retryMs: number,
): Promise<Answer> {
  const { publisher, sequence, lines } = batch;
  const query = new URLSearchParams({ publisher, sequence: String(sequence) });
  const body = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, LF]));
  const deadline = performance.now() + retryMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(MAX_WAIT_MS, 2 * waitMs)) {
    try {
      const response = await request(socketPath, { method: 'POST', path: `/v1/events?${query.toString()}`, body });
      return JSON.parse(await textOf(response)) as Answer;
    } catch (thrown) {
      // An answer that was cut off is no answer.
      const error = asTocsinError(thrown, 'ERR_DAEMON_UNAVAILABLE');
      if (!RETRIED.includes(error.code) || performance.now() + waitMs > deadline) throw error;
      await sleep(waitMs * (0.5 + Math.random()));
    }
  }
}

function* batchesOf(lines: readonly EventLine[]): Generator<EventLine[]> {
  let batch: EventLine[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (batch.length === MAX_BATCH_LINES || (batch.length > 0 && bytes + line.bytes.length > MAX_BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += line.bytes.length;
  }
  if (batch.length > 0) yield batch;
}

/** The lines before the first one that is no event. */
function checked(
  lines: readonly EventLine[],
  checker: LineChecker,
): { readonly valid: readonly EventLine[]; readonly error?: unknown } {
  for (const [index, line] of lines.entries()) {
    try {
      checker.check(line);
    } catch (error) {
      return { valid: lines.slice(0, index), error };
    }
  }
  return { valid: lines };
}
