import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { type Daemon, exitOf, startDaemon, statsOf, waitFor } from '../support/daemon.ts';
import { SequenceCheck } from '../support/sequence.ts';
import { buildNative, type NativePrograms, startSender } from './support/native.ts';

/** A history that a stopped client falls out of soon. */
const HISTORY_EVENTS = 2_000;
const RATE = 5_000;

interface Reader {
  readonly child: ChildProcess;
  readonly check: SequenceCheck;
  /** Lines that are no events. */
  readonly notices: string[];
  readonly closed: Promise<number | null>;
}

describe('one of 21 clients stopped with SIGSTOP', () => {
  let programs: NativePrograms;
  let daemon: Daemon;
  const children: ChildProcess[] = [];

  before(async () => {
    programs = buildNative();
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
  });

  async function withDaemon(test: () => Promise<void>): Promise<void> {
    daemon = await startDaemon(['--history-events', String(HISTORY_EVENTS)]);
    try {
      await test();
    } finally {
      for (const child of children.splice(0)) child.kill('SIGKILL');
      assert.equal(await daemon.stop(), 0);
    }
  }

  function read(command: string, args: readonly string[]): Reader {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    const check = new SequenceCheck();
    const notices: string[] = [];
    child.stdout.on('data', (piece: Buffer) => {
      check.push(piece);
      for (const line of piece.toString('latin1').split('\n')) if (line.startsWith('{"type":"')) notices.push(line);
    });
    return { child, check, notices, closed: exitOf(child) };
  }

  const curl = (): Reader => read('curl', ['-sN', '--unix-socket', daemon.events, 'http://tocsin/v1/events']);

  /** Sends until the stopped client has been left behind by more than the history, then lets it go on. */
  async function stopAndContinue(stopped: ChildProcess, fast: readonly Reader[]): Promise<number> {
    const sender = startSender(programs, daemon.fifo, 10_000_000, ['--rate', String(RATE)]);
    await waitFor(async () => (await statsOf(daemon)).headSeq > 2_000, 'the stream to run');
    stopped.kill('SIGSTOP');
    const at = (await statsOf(daemon)).headSeq;
    // Its socket, its pipe and its lane hold some thousand events more.
    await waitFor(
      async () => (await statsOf(daemon)).headSeq > at + 40_000,
      'the stopped client to fall behind',
      60_000,
    );
    stopped.kill('SIGCONT');
    await waitFor(async () => (await statsOf(daemon)).counters['gaps']! > 0, 'the gap to be noticed');
    sender.stop();
    const { sent } = await sender.done;
    await waitFor(() => fast.every(({ check }) => check.last === sent), 'the others to get everything');
    return sent;
  }

  it('costs the others nothing, and tells a native client what it missed', async () => {
    await withDaemon(async () => {
      const fast = Array.from({ length: 20 }, curl);
      const slow = curl();
      await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === 21, 'the clients');
      const sent = await stopAndContinue(slow.child, fast);
      for (const { check, notices } of fast) {
        assert.deepEqual(check.result, { count: sent, first: 1, last: sent, breaks: 0 });
        assert.deepEqual(notices, []);
      }
      await waitFor(() => slow.check.last === sent, 'the stopped client to catch up');
      const gaps = slow.notices.map(
        (line) => JSON.parse(line) as { type: string; missed: number; from: number; to: number; reason: string },
      );
      assert.ok(gaps.length > 0);
      for (const gap of gaps) {
        assert.equal(gap.type, 'gap');
        assert.equal(gap.reason, 'retention');
        assert.equal(gap.missed, gap.to - gap.from + 1);
      }
      const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
      assert.equal(slow.check.count + missed, sent, 'what it got and what it was told it missed is all that was sent');
      assert.equal(slow.check.breaks, gaps.length, 'every break in its stream has its gap line');
      console.log(
        `# sent ${sent}; 20 clients complete; the stopped one got ${slow.check.count} and was told of ${missed}`,
      );
    });
  });

  it('ends a gRPC client with DATA_LOSS', async () => {
    await withDaemon(async () => {
      const fast = Array.from({ length: 20 }, curl);
      const child = spawn(programs.grpcClient, [`unix://${daemon.events}`], { stdio: ['ignore', 'pipe', 'ignore'] });
      children.push(child);
      let output = '';
      child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
      const closed = exitOf(child);
      await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === 21, 'the clients');
      const sent = await stopAndContinue(child, fast);
      await closed;
      const { status, bad, count } = JSON.parse(output) as { status: number; bad: number; count: number };
      assert.deepEqual({ status, bad }, { status: 15, bad: 0 });
      assert.ok(count < sent);
      for (const { check } of fast) assert.deepEqual(check.result, { count: sent, first: 1, last: sent, breaks: 0 });
      console.log(`# sent ${sent}; 20 clients complete; the stopped one got the first ${count} and DATA_LOSS`);
    });
  });

  it('ends a client of the disconnect policy, and no other', async () => {
    await withDaemon(async () => {
      const fast = curl();
      const slow = read('curl', ['-sN', '--unix-socket', daemon.events, 'http://tocsin/v1/events?lag=disconnect:1000']);
      await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === 2, 'the clients');
      const sender = startSender(programs, daemon.fifo, 10_000_000, ['--rate', String(RATE)]);
      await waitFor(() => slow.check.count > 1_000, 'the stream to run');
      slow.child.kill('SIGSTOP');
      await waitFor(async () => (await statsOf(daemon)).counters['lagBreaches']! > 0, 'the checker to notice', 60_000);
      slow.child.kill('SIGCONT');
      assert.notEqual(await slow.closed, 0, 'curl reports that the transfer was cut');
      sender.stop();
      const { sent } = await sender.done;
      await waitFor(() => fast.check.last === sent, 'the other client');
      assert.equal(slow.check.breaks, 0);
      assert.deepEqual(fast.check.result, { count: sent, first: 1, last: sent, breaks: 0 });
      assert.equal((await statsOf(daemon)).counters['clientsCut'], 1);
    });
  });
});
