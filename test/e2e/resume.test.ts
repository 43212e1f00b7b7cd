import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Delivery, TocsinClient } from '../../src/client/index.ts';
import { call, type Daemon, MAIN, startDaemon, statsOf, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';
import { cursor, eventLine, FaultyServer, gapLine, heartbeatLine, stream } from '../support/faulty-server.ts';

/** A command that goes on until it is ended. */
class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<number | NodeJS.Signals | null>;

  constructor(...args: readonly string[]) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
    this.child = child;
  }

  get seqs(): number[] {
    return seqsOf(this.stdout);
  }
}

function seqsOf(lines: string): number[] {
  const whole = lines.split('\n').slice(0, -1);
  return whole.map((line) => (JSON.parse(line) as { seq: number }).seq);
}

const seqs = (from: number, to: number): number[] => Array.from({ length: to + 1 - from }, (_, index) => from + index);

async function publish(daemon: Daemon, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) => `{"type":"container","action":"start","id":"c${n}"}`).join(
    '\n',
  );
  assert.equal((await call(daemon.admin, '/v1/events', { method: 'POST', body: lines })).status, 200);
}

describe('tocsin events, with a cursor file', () => {
  let daemon: Daemon;
  let folder: string;
  let events: readonly string[];

  before(async () => {
    folder = temporaryFolder();
    daemon = await startDaemon(['--history-events', '1000', '--history-bytes', '1MiB']);
    events = ['events', '-H', `unix://${daemon.events}`, '--format', 'json'];
  });
  after(async () => {
    await daemon.stop();
    fs.rmSync(folder, { recursive: true });
  });

  const newFile = (name: string): { readonly file: string; readonly read: () => string } => {
    const file = path.join(folder, name);
    return { file, read: () => fs.readFileSync(file, 'utf8') };
  };

  it('prints each event once, over any number of runs', async () => {
    const { file, read } = newFile('runs');
    const run = (): ReturnType<typeof tocsin> => tocsin([...events, '-S', '0', '--no-follow', '--cursor-file', file]);
    const printed: number[] = [];
    for (const count of [100, 3, 0, 20]) {
      if (count > 0) await publish(daemon, count);
      const { code, stdout, stderr } = await run();
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      printed.push(...seqsOf(stdout));
    }
    const { headSeq } = await statsOf(daemon);
    assert.deepEqual(printed, seqs(1, headSeq));
    assert.match(read(), new RegExp(`^[a-z2-7]{8}-${headSeq}\\n$`));
    assert.deepEqual(fs.readdirSync(folder), ['runs']);
  });

  it('notes where a live command began, follows, and has the last word at SIGTERM and SIGINT', async () => {
    const { file, read } = newFile('signals');
    let { headSeq } = await statsOf(daemon);
    const printed: number[] = [];
    const first = headSeq + 1;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const command = new Running(...events, '--cursor-file', file);
      if (signal === 'SIGTERM') await waitFor(() => fs.existsSync(file), 'the position at which it began');
      await publish(daemon, 5);
      headSeq += 5;
      await waitFor(() => command.seqs.at(-1) === headSeq, 'the events');
      command.child.kill(signal);
      assert.equal(await command.ended, signal);
      assert.match(read(), new RegExp(`-${headSeq}\\n$`));
      printed.push(...command.seqs);
      // While nobody listens.
      await publish(daemon, 2);
      headSeq += 2;
    }
    const { stdout } = await tocsin([...events, '--no-follow', '--cursor-file', file]);
    assert.deepEqual([...printed, ...seqsOf(stdout)], seqs(first, headSeq));
  });

  it('does not wait for a reader that has stopped when it is to end', async () => {
    const { file, read } = newFile('stuck');
    await publish(daemon, 1000);
    const child = spawn(process.execPath, [MAIN, ...events, '-S', '0', '--cursor-file', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
    // Without a listener, Node throws away what nobody has read when the process ends.
    child.stdout.on('readable', () => {});
    await waitFor(() => child.stdout.readableLength > 0, 'the first output');
    child.kill('SIGTERM');
    assert.equal(await ended, 'SIGTERM');
    let got = '';
    for await (const part of child.stdout.setEncoding('utf8')) got += part;
    const noted = fs.existsSync(file) ? Number(read().split('-')[1]) : 0;
    assert.ok(noted <= (seqsOf(got).at(-1) ?? 0), 'no more than what was handed over');
  });

  it('ends with 75 before a gap when it is told to, and stays before it', async () => {
    const { file, read } = newFile('gap');
    const { cursor: head } = JSON.parse((await call(daemon.admin, '/v1/stats')).body) as { cursor: string };
    const [epoch = '', headSeq = ''] = head.split('-');
    // More than the shard has at hand, which is some batches.
    for (let batches = 0; batches < 100; batches += 1) await publish(daemon, 25);
    fs.writeFileSync(file, head);
    for (const format of ['json', 'text']) {
      const lost = await tocsin([...events, '--format', format, '--cursor-file', file, '--fail-on-gap']);
      assert.deepEqual({ code: lost.code, stdout: lost.stdout }, { code: 75, stdout: '' });
      assert.match(lost.stderr, /^tocsin: \d+ events are missing \(retention\) \(ERR_CLIENT_GAP\)\n$/);
      assert.equal(read(), head);
    }
    const without = await tocsin([...events, '--cursor-file', file, '--no-follow']);
    const [gap, ...rest] = without.stdout.split('\n');
    assert.match(gap ?? '', new RegExp(`^{"type":"gap","missed":\\d+,"from":${Number(headSeq) + 1},`));
    assert.equal(seqsOf(rest.join('\n')).at(-1), Number(headSeq) + 2500);
    assert.equal(read(), `${epoch}-${Number(headSeq) + 2500}\n`);
  });

  it('says what is wrong with the file', async () => {
    const { file } = newFile('wrong');
    fs.writeFileSync(file, 'nonsense');
    const cases: (readonly [file: string, code: number, error: RegExp])[] = [
      [file, 64, /ERR_CURSOR_INVALID/],
      [folder, 1, /ERR_FILE_UNREADABLE/],
      [path.join(folder, 'nowhere/file'), 1, /ERR_FILE_UNWRITABLE/],
    ];
    for (const [name, code, error] of cases) {
      const outcome = await tocsin([...events, '--cursor-file', name]);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, error);
    }
  });
});

describe('tocsin events, when the connection is lost', () => {
  it('comes back, says so, and prints each event once', async () => {
    const server = await FaultyServer.open(
      stream([heartbeatLine(0), eventLine(1)], 'cut'),
      stream([heartbeatLine(1), eventLine(2)], 'clean'),
      stream([heartbeatLine(2), eventLine(3)], 'open'),
    );
    const command = new Running('events', '-H', server.host, '--format', 'json');
    await waitFor(() => command.stdout.split('\n').length > 3, 'three events');
    command.child.kill();
    await command.ended;
    await server.close();
    assert.deepEqual(command.seqs, [1, 2, 3]);
    assert.deepEqual(command.stderr.split('\n'), [
      'tocsin: the stream ended abnormally; trying again',
      'tocsin: connected again',
      'tocsin: the daemon ended the stream; trying again',
      'tocsin: connected again',
      '',
    ]);
  });

  it('ends with 69 when it is not to come back', async () => {
    const server = await FaultyServer.open(stream([eventLine(1)], 'cut'));
    for (const flag of ['--no-reconnect', '--no-follow']) {
      const { code, stdout, stderr } = await tocsin(['events', '-H', server.host, '--format', 'json', flag]);
      assert.deepEqual([code, seqsOf(stdout)], [69, [1]]);
      assert.match(stderr, /the stream ended abnormally \(ERR_DAEMON_UNAVAILABLE\)/);
    }
    await server.close();
  });

  it('prints what is before a gap, and keeps the cursor of that', async () => {
    const server = await FaultyServer.open(stream([eventLine(1), eventLine(2), gapLine(3, 9), eventLine(10)], 'open'));
    const folder = temporaryFolder();
    const file = path.join(folder, 'cursor');
    const args = ['--format', 'json', '--cursor-file', file, '--fail-on-gap'];
    const { code, stdout } = await tocsin(['events', '-H', server.host, ...args]);
    assert.deepEqual([code, seqsOf(stdout), fs.readFileSync(file, 'utf8')], [75, [1, 2], `${cursor(2)}\n`]);
    await server.close();
    fs.rmSync(folder, { recursive: true });
  });

  it('waits for a daemon that is not there yet, with --reconnect', async () => {
    const root = temporaryFolder();
    const command = new Running('events', '-H', `unix://${root}/tocsin.sock`, '--reconnect', '--format', 'json');
    await waitFor(() => command.stderr.includes('trying again'), 'the notice');
    const daemon = await startDaemon([], root);
    await waitFor(() => command.stderr.includes('connected again'), 'the connection');
    await publish(daemon, 3);
    await waitFor(() => command.seqs.length === 3, 'the events');
    command.child.kill();
    await command.ended;
    await daemon.stop();
  });
});

describe('a daemon that is started again', () => {
  /** A command and a library client that have 10 events, then another run of the daemon. */
  async function overRestart(flags: readonly string[]) {
    const first = await startDaemon(flags);
    await publish(first, 10);
    const command = new Running('events', '-H', `unix://${first.events}`, '--format', 'json', '-S', '0');
    const client = new TocsinClient({ host: `unix://${first.events}` });
    const states: string[] = [];
    const got: Delivery[] = [];
    const live = client.events({ since: '0', onState: ({ state }) => states.push(state) });
    const iterated = (async () => {
      for await (const delivery of live) got.push(delivery);
    })();
    // It may end before anybody waits for it.
    iterated.catch(() => {});
    await waitFor(() => got.length === 10 && command.seqs.length === 10, 'the events');
    process.kill(first.pid, 'SIGTERM');
    assert.equal(await first.exited, 0);
    return { second: await startDaemon(flags, first.root), command, live, iterated, got, states };
  }

  it('goes on where it was, and so do its clients', async () => {
    const { second, command, live, iterated, got, states } = await overRestart([]);
    await publish(second, 5);
    await waitFor(() => got.length === 15 && command.seqs.length === 15, 'the events');
    assert.deepEqual(command.seqs, seqs(1, 15));
    assert.deepEqual(
      got.map((delivery) => 'seq' in delivery && delivery.seq),
      seqs(1, 15),
    );
    assert.ok(states.filter((state) => state === 'connected').length >= 2);
    await live.return();
    await iterated;
    command.child.kill();
    await command.ended;
    await second.stop();
  });

  it('has another log when it keeps none, and whoever comes back is told so', async () => {
    const { second, command, live, iterated, got, states } = await overRestart(['--durability', 'memory']);
    await assert.rejects(iterated, { code: 'ERR_CURSOR_FOREIGN' });
    assert.equal(await command.ended, 1);
    assert.match(command.stderr, /^tocsin: the daemon ended the stream; trying again\n.*\(ERR_CURSOR_FOREIGN\)\n$/s);
    assert.deepEqual(command.seqs, seqs(1, 10));
    assert.equal(live.cursor, (got.at(-1) as { cursor: string }).cursor);
    assert.equal(states[0], 'connected');
    await second.stop();
  });
});
