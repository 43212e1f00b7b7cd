import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { exitOf, MAIN, startDaemon, statsOf, waitFor } from '../support/daemon.ts';
import { SequenceCheck } from '../support/sequence.ts';
import { buildNative, startSender } from './support/native.ts';

describe('SIGTERM in the middle of a burst', () => {
  it('gives every reading client everything accepted and a clean end, and cuts the one that does not read', async () => {
    const programs = buildNative();
    const daemon = await startDaemon([
      '--history-events',
      '2000000',
      '--history-bytes',
      '2GiB',
      '--drain-timeout',
      '3s',
    ]);
    const readers = ['curl', 'curl', 'cli', 'cli', 'grpc', 'grpc'].map((kind) => {
      const check = new SequenceCheck();
      const child =
        kind === 'curl'
          ? spawn('curl', ['-sN', '--unix-socket', daemon.events, 'http://tocsin/v1/events'])
          : kind === 'cli'
            ? spawn(process.execPath, [MAIN, 'events', '-H', `unix://${daemon.events}`, '--no-reconnect'])
            : spawn(programs.grpcClient, [`unix://${daemon.events}`]);
      let report = '';
      child.stdout.on('data', (piece: Buffer) => {
        if (kind === 'grpc') report += piece.toString();
        else check.push(piece);
      });
      return { kind, child, check, exited: exitOf(child), report: () => report };
    });
    const stopped = spawn('curl', ['-sN', '--unix-socket', daemon.events, 'http://tocsin/v1/events'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const stoppedCheck = new SequenceCheck();
    stopped.stdout.on('data', (piece: Buffer) => stoppedCheck.push(piece));
    const stoppedExit = exitOf(stopped);
    await waitFor(
      async () => (await statsOf(daemon)).counters['clientsAttached'] === readers.length + 1,
      'the clients',
    );
    // The sender is cut off by the daemon's end: it fails then, and that is expected.
    const sender = startSender(programs, daemon.fifo, 3_000_000);
    sender.done.catch(() => {});
    await waitFor(() => readers.every(({ kind, check }) => kind === 'grpc' || check.count > 1_000), 'the burst to run');
    stopped.kill('SIGSTOP');
    process.kill(daemon.pid, 'SIGTERM');
    const code = await daemon.exited;
    stopped.kill('SIGCONT');
    sender.stop();
    assert.equal(code, 0);
    const accepted = Number(/stopped: (\d+) events accepted/.exec(daemon.log())?.[1]);
    assert.ok(accepted > 1_000);
    for (const { kind, check, exited, report } of readers) {
      assert.equal(await exited, 0, `${kind} ended cleanly`);
      if (kind === 'grpc') {
        const { count, bad, last, status } = JSON.parse(report()) as Record<string, number>;
        assert.deepEqual({ count, bad, last, status }, { count: accepted, bad: 0, last: accepted, status: 0 });
      } else {
        assert.deepEqual(check.result, { count: accepted, first: 1, last: accepted, breaks: 0 }, kind);
      }
    }
    assert.notEqual(await stoppedExit, 0, 'the client that did not read sees an abnormal end');
    assert.equal(stoppedCheck.breaks, 0);
    assert.match(daemon.log(), / 6 clients ended, 1 cut, /);
    console.log(`# ${accepted} accepted; 6 reading clients got all of them; ${daemon.log().split('\n').at(-2)}`);
  });
});
