import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { call, type Daemon, startDaemon, statsOf, waitFor } from '../support/daemon.ts';
import { SequenceCheck } from '../support/sequence.ts';
import { buildNative, type NativePrograms, sendRecords, startSender } from './support/native.ts';

const HISTORY = 20_000;

interface Line {
  readonly seq: number;
  readonly timeNano: string;
}

const linesOf = (body: string): Line[] =>
  body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

describe('until', () => {
  let programs: NativePrograms;
  let daemon: Daemon;

  before(async () => {
    programs = buildNative();
    daemon = await startDaemon();
    await sendRecords(programs, daemon.fifo, HISTORY);
    await waitFor(async () => (await statsOf(daemon)).headSeq === HISTORY, 'the history');
  });
  after(async () => {
    assert.equal(await daemon.stop(), 0);
  });

  it('in the past, over the full history, gives a reader of 1 MB/s every event and a clean end', async () => {
    const written = Date.now();
    await waitFor(() => Date.now() > written + 1_000, 'the history to be older than a second');
    const until = (Date.now() / 1000 - 1).toFixed(6);
    const check = new SequenceCheck();
    const complete = await new Promise<boolean>((resolve, reject) => {
      const request = http.get(
        { socketPath: daemon.events, path: `/v1/events?since=0&until=${until}`, agent: false },
        (response) => {
          response.on('error', () => {});
          response.once('close', () => resolve(response.complete));
          void readSlowly(response, check);
        },
      );
      request.once('error', reject);
    });
    assert.deepEqual(check.result, { count: HISTORY, first: 1, last: HISTORY, breaks: 0 });
    assert.ok(complete, 'the stream ended with its final chunk');
  });

  it('is inclusive to the nanosecond, and so is since', async () => {
    const all = linesOf((await call(daemon.events, '/v1/events?since=0&follow=false')).body);
    const from = all[4_999]!;
    const to = all[15_000]!;
    const seconds = (nano: string): string => `${nano.slice(0, -9)}.${nano.slice(-9)}`;
    const query = `/v1/events?since=${seconds(from.timeNano)}&until=${seconds(to.timeNano)}`;
    const part = await call(daemon.events, query);
    assert.ok(part.complete);
    const seqs = linesOf(part.body).map(({ seq }) => seq);
    assert.deepEqual([seqs[0], seqs.at(-1), seqs.length], [from.seq, to.seq, to.seq - from.seq + 1]);
  });

  it('in two seconds ends within a second of it, with everything before and nothing after', async () => {
    const sender = startSender(programs, daemon.fifo, 100_000, ['--rate', '1000']);
    const begun = Date.now();
    const untilMs = begun + 2_000;
    const { body, complete } = await call(daemon.events, `/v1/events?since=0&until=${(untilMs / 1000).toFixed(3)}`);
    const lateMs = Date.now() - untilMs;
    sender.stop();
    await sender.done;
    assert.ok(complete);
    const lines = linesOf(body);
    lines.forEach(({ seq }, index) => assert.equal(seq, index + 1));
    const all = linesOf((await call(daemon.events, '/v1/events?since=0&follow=false')).body);
    const limit = BigInt(untilMs) * 1_000_000n;
    const expected = all.filter(({ timeNano }) => BigInt(timeNano) <= limit).length;
    assert.equal(lines.length, expected);
    console.log(`# until in 2 s: ${lines.length - HISTORY} live events, ended ${lateMs} ms after it`);
    assert.ok(lateMs >= 0 && lateMs <= 1_000, `ended ${lateMs} ms after until`);
  });

  it('in two seconds ends an idle stream too', async () => {
    const untilMs = Date.now() + 2_000;
    const { body, complete } = await call(daemon.events, `/v1/events?until=${(untilMs / 1000).toFixed(3)}`);
    const lateMs = Date.now() - untilMs;
    assert.deepEqual([body, complete], ['', true]);
    assert.ok(lateMs >= 0 && lateMs <= 1_000, `ended ${lateMs} ms after until`);
  });
});

/** Takes 20 KB every 20 ms: 1 MB/s. */
async function readSlowly(response: http.IncomingMessage, check: SequenceCheck): Promise<void> {
  response.pause();
  while (!response.readableEnded && !response.destroyed) {
    const piece = (response.read(20_000) ?? response.read()) as Buffer | null;
    if (piece) check.push(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
