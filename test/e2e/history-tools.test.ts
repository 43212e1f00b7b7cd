import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, type Daemon, exitOf, MAIN, startDaemon, statsOf, temporaryFolder, tocsin } from '../support/daemon.ts';
import { contentOf, flip } from '../support/written-history.ts';

/** Enough for several files, the smallest that a daemon writes. */
const ROUNDS = 12;
const PER_ROUND = 500;
const EVENTS = ROUNDS * PER_ROUND;
const HISTORY_BYTES = ['--history-bytes', '8MiB', '--history-age', '0'];

async function publish(daemon: Daemon, round: number): Promise<void> {
  let body = '';
  for (let n = 0; n < PER_ROUND; n += 1) {
    const id = `c${(round * PER_ROUND + n) % 100}`;
    body += `${JSON.stringify({ type: 'container', action: n % 5 === 0 ? 'die' : 'start', id, attributes: { name: `n-${id}`, text: 'x'.repeat(100) } })}\n`;
  }
  assert.equal((await call(daemon.admin, '/v1/events', { method: 'POST', body })).status, 200);
}

async function fromDaemon(daemon: Daemon, query: string): Promise<string> {
  const { status, body, complete } = await call(daemon.events, `/v1/events?${query}&follow=false`);
  assert.deepEqual([status, complete], [200, true]);
  return body;
}

describe('the tools for a history folder', () => {
  const root = temporaryFolder();
  const history = path.join(root, 'history');
  let daemon: Daemon;
  /** What the daemon printed of it, and a place in it. */
  let all = '';
  let cursor = '';
  let middle = '';

  before(async () => {
    daemon = await startDaemon(HISTORY_BYTES, root);
    for (let round = 0; round < ROUNDS; round += 1) await publish(daemon, round);
    all = await fromDaemon(daemon, 'since=0');
    const { cursor: at, timeNano } = JSON.parse(all.split('\n')[EVENTS / 2] ?? '') as Record<string, string>;
    cursor = at ?? '';
    middle = `${timeNano?.slice(0, -9)}.${timeNano?.slice(-9)}`;
  });
  after(async () => {
    process.kill(daemon.pid, 'SIGKILL');
    await daemon.exited;
    fs.rmSync(root, { recursive: true, force: true });
  });

  const tool = (...args: string[]): ReturnType<typeof tocsin> => tocsin(['history', ...args, '--root', root]);

  it('print what the running daemon prints, from everywhere on and of everything', async () => {
    assert.equal(all.split('\n').length - 1, EVENTS);
    for (const [flags, query] of [
      [[], 'since=0'],
      [['--since', middle], `since=${middle}`],
      [['--until', middle], `since=0&until=${middle}`],
      [['--after', cursor], `after=${cursor}`],
      [['--filter', 'event=die', '-f', 'name=n-c5*'], 'since=0&filters={"event":["die"],"name":["n-c5*"]}'],
      [['--filter', 'container=n-c77', '--threads', '1'], 'since=0&filters={"container":["n-c77"]}'],
    ] as const) {
      const { code, stdout, stderr } = await tool('export', ...flags);
      assert.deepEqual([code, stderr], [0, ''], flags.join(' '));
      assert.ok(stdout === (await fromDaemon(daemon, query)), flags.join(' '));
    }
  });

  it('find nothing wrong while the daemon writes, and change nothing', async () => {
    const rounds = Promise.all([publish(daemon, 0), publish(daemon, 1)]);
    for (let n = 0; n < 3; n += 1) {
      const { code, stdout, stderr } = await tool('verify');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^\d+ files, \d+ batches, \d+ events, \d+ bytes, epochs: [a-z2-7]{8}, problems: 0\n$/);
    }
    await rounds;
    const files = contentOf(history);
    for (const command of ['verify', 'stats', 'export']) assert.equal((await tool(command)).code, 0);
    assert.deepEqual(contentOf(history), files);
    assert.equal((await statsOf(daemon)).headSeq, EVENTS + 2 * PER_ROUND);
  });

  it('refuse what the daemon refuses', async () => {
    for (const [flags, error, exit] of [
      [['--after', 'aaaaaaaa-1'], 'ERR_CURSOR_FOREIGN', 1],
      [['--after', cursor.replace(/\d+$/, '999999')], 'ERR_CURSOR_FUTURE', 1],
      [['--after', 'x'], 'ERR_CURSOR_INVALID', 64],
      [['--after', cursor, '--since', '1'], 'ERR_OPTION_INVALID', 64],
      [['--since', '2', '--until', '1'], 'ERR_SINCE_AFTER_UNTIL', 64],
      [['--filter', 'colour=red'], 'ERR_FILTER_INVALID', 64],
      [['--filter', 'name~=('], 'ERR_FILTER_INVALID', 64],
      [['--format', 'text'], 'ERR_OPTION_INVALID', 64],
      [['--threads', '0'], 'ERR_OPTION_INVALID', 64],
    ] as const) {
      const { code, stderr, stdout } = await tool('export', ...flags);
      assert.deepEqual([code, stdout], [exit, ''], flags.join(' '));
      assert.ok(stderr.includes(`(${error})`), stderr);
    }
    const { code, stderr } = await tocsin(['history', 'verify', '--history', path.join(root, 'none')]);
    assert.equal(code, 1);
    assert.match(stderr, /cannot read the history in .*none: .*\(ERR_FILE_UNREADABLE\)/);
  });

  it('read what a killed daemon left, also when its last write was cut off', async () => {
    all = await fromDaemon(daemon, 'since=0');
    process.kill(daemon.pid, 'SIGKILL');
    await daemon.exited;
    assert.ok((await tool('export')).stdout === all);
    const newest = fs
      .readdirSync(history)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!;
    const bytes = fs.readFileSync(path.join(history, newest));
    fs.truncateSync(path.join(history, newest), bytes.length - 8);
    const verified = await tool('verify');
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stderr, /ends within a batch/);
    const { code, stdout, stderr } = await tool('export');
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(all.startsWith(stdout));
    fs.writeFileSync(path.join(history, newest), bytes);
  });

  it('say what is damaged, export the rest, and say what is missing', async () => {
    const [name = ''] = fs
      .readdirSync(history)
      .filter((file) => file.endsWith('.log'))
      .sort();
    const offset = Math.floor(fs.statSync(path.join(history, name)).size / 2);
    flip(history, name, offset);
    const verified = await tool('verify');
    assert.equal(verified.code, 1);
    const problem = new RegExp(
      `tocsin: ${name}: at \\d+, \\d+ bytes: no batch as it was written; events (\\d+) to (\\d+) cannot be read`,
    );
    const [, from = '', to = ''] = problem.exec(verified.stderr) ?? [];
    assert.match(verified.stdout, /problems: 1\n$/);
    const { code, stdout, stderr } = await tool('export');
    assert.equal(code, 0);
    assert.match(
      stderr,
      new RegExp(`${Number(to) + 1 - Number(from)} events are missing \\(corruption\\), ${from} to ${to}`),
    );
    const lines = all.trimEnd().split('\n');
    const { cursor: oldest } = JSON.parse(lines[Number(to) - 1] ?? '') as { cursor: string };
    const gap = {
      type: 'gap',
      missed: Number(to) + 1 - Number(from),
      from: Number(from),
      to: Number(to),
      reason: 'corruption',
      oldest,
    };
    const expected = [...lines.slice(0, Number(from) - 1), JSON.stringify(gap), ...lines.slice(Number(to))];
    assert.deepEqual(stdout.trimEnd().split('\n'), expected);
    flip(history, name, offset);
  });

  it('count what there is', async () => {
    const { code, stdout } = await tool('stats', '--format', 'json');
    assert.equal(code, 0);
    const stats = JSON.parse(stdout) as {
      readonly files: readonly { readonly firstSeq: number; readonly events: number }[];
      readonly total: { readonly events: number; readonly files: number };
      readonly actions: readonly unknown[];
      readonly containers: readonly { readonly events: number }[];
    };
    const events = EVENTS + 2 * PER_ROUND;
    assert.equal(stats.total.events, events);
    assert.ok(stats.total.files > 1);
    assert.deepEqual(stats.actions, [
      { name: 'container start', events: (events / 5) * 4 },
      { name: 'container die', events: events / 5 },
    ]);
    assert.deepEqual(
      stats.containers.map((row) => row.events),
      Array.from({ length: 10 }, () => events / 100),
    );
    const text = (await tool('stats')).stdout;
    assert.match(text, /^FIRST +EVENTS +BYTES +FROM +TO +BATCHES +EPOCH\n1 +/);
    assert.match(text, /\n\d+ +container die\n/);
  });

  it('end cleanly when nobody reads any more', async () => {
    const child = spawn(process.execPath, [MAIN, 'history', 'export', '--root', root], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.once('data', () => child.stdout.destroy());
    assert.equal(await exitOf(child), 0);
    assert.equal(stderr, '');
  });

  it('know cursors of an earlier life of the log', async () => {
    // As after a start of the machine: what the last process had not made durable may be lost.
    const newest = fs
      .readdirSync(history)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!;
    fs.truncateSync(path.join(history, newest), fs.statSync(path.join(history, newest)).size - 8);
    fs.appendFileSync(path.join(history, newest), Buffer.alloc(9 * 1024 * 1024, 1));
    daemon = await startDaemon(HISTORY_BYTES, root);
    await publish(daemon, 0);
    const { headSeq } = await statsOf(daemon);
    for (const place of [cursor, cursor.replace(/\d+$/, String(headSeq + 5))]) {
      const { code, stdout } = await tool('export', '--after', place);
      assert.equal(code, 0);
      assert.ok(stdout === (await fromDaemon(daemon, `after=${place}`)), place);
    }
    const epochs = new Set(
      (await tool('export')).stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { cursor: string }).cursor.slice(0, 8)),
    );
    assert.equal(epochs.size, 2);
  });
});
