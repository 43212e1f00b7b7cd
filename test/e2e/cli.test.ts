import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPipeline, type Pipeline } from '../../src/index.ts';
import { type Daemon, MAIN, startDaemon, statsOf, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';

/** The line that iSulad's design shows, and the moment it shows in it. */
const GOLDEN_ID = '3277ec2e57cde72cbd20a1fea4bb4444e29df67f6fc27e60f8532b733b7ef400';
const GOLDEN_LINE = `2022-05-10T17:20:34.661862100+08:00 container start ${GOLDEN_ID} (image=busybox, name=${GOLDEN_ID}, pid=9007)`;
const GOLDEN_TIME = { sec: Date.UTC(2022, 4, 10, 9, 20, 34) / 1000, nanos: 661_862_100 };
const ONE_SECOND = 1000;

describe('tocsin events, of events with times of their own', () => {
  let folder: string;
  let pipeline: Pipeline;
  let host: string;

  before(async () => {
    folder = temporaryFolder();
    host = `unix://${path.join(folder, 'tocsin.sock')}`;
    pipeline = await createPipeline({ listen: path.join(folder, 'tocsin.sock') });
    const attributes = { name: GOLDEN_ID, image: 'busybox' };
    const start = { type: 'container', action: 'start', id: GOLDEN_ID, pid: 9007, attributes };
    assert.equal(pipeline.publish({ ...start, time: GOLDEN_TIME }), 'accepted');
    const later = { sec: GOLDEN_TIME.sec + 1, nanos: 0 };
    assert.equal(pipeline.publish({ type: 'image', action: 'pull', id: 'busybox', time: later }), 'accepted');
    await waitFor(() => pipeline.stats().headSeq === 2, 'both events');
  });
  after(async () => {
    await pipeline.close();
    fs.rmSync(folder, { recursive: true });
  });

  const events = (args: readonly string[], TZ = 'Asia/Shanghai'): ReturnType<typeof tocsin> =>
    tocsin(['events', '-H', host, '--no-follow', ...args], { TZ });

  it('prints the line that iSulad’s design shows', async () => {
    const { code, stdout, stderr } = await events(['-S', '0', '-n', '', '-f', 'type=container']);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${GOLDEN_LINE}\n`, stderr: '' });
  });

  it('finds it with every way to write a time', async () => {
    const behind = Date.now() / ONE_SECOND - GOLDEN_TIME.sec;
    // A duration counts from the start of the command: it gets a minute of room.
    const since = [
      '2022-05-10T17:20:34.661862100+08:00',
      '2022-05-10T09:20:34.661862100Z',
      '2022-05-10T17:20:34.6618621',
      '2022-05-10T17:20:34',
      '2022-05-10T17:20',
      '2022-05-10T17',
      '2022-05-10',
      String(GOLDEN_TIME.sec),
      `${GOLDEN_TIME.sec}.6618621`,
      `${Math.ceil(behind) + 60}s`,
      `${Math.ceil(behind / 60) + 1}m`,
      `${Math.ceil(behind / 3600) + 1}h0m1.5s`,
    ];
    const until = String(GOLDEN_TIME.sec + 0.9);
    for (const time of since) {
      const { code, stdout } = await events(['--since', time, '--until', until]);
      assert.deepEqual({ time, code, stdout }, { time, code: 0, stdout: `${GOLDEN_LINE}\n` });
    }
    const { stdout } = await events(['-S', '2022-05-10T17:20:34.661862101', '-U', until]);
    assert.equal(stdout, '', 'a nanosecond later it is over');
  });

  it('reads and prints times in the zone of the client', async () => {
    const { stdout } = await events(['-S', '2022-05-10T04:20:34', '-U', '2022-05-10T04:20:34.7'], 'Etc/GMT+5');
    assert.equal(stdout, `2022-05-10T04:20:34.661862100-05:00${GOLDEN_LINE.slice(35)}\n`);
  });

  it('prints JSON lines as they come over the wire, and resumes behind the cursor in them', async () => {
    const { stdout } = await events(['-S', '0', '--format', 'json']);
    const [first, second] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(first?.['id'], GOLDEN_ID);
    const rest = await events(['--format', 'json', '--after', String(first['cursor'])]);
    assert.deepEqual(JSON.parse(rest.stdout), second);
  });

  it('takes the host from TOCSIN_HOST, or from ISULAD_HOST', async () => {
    for (const name of ['TOCSIN_HOST', 'ISULAD_HOST']) {
      const { stdout } = await tocsin(['events', '-S', '0', '--no-follow', '-f', 'type=image'], { [name]: host });
      assert.match(stdout, / image pull busybox\n$/, name);
    }
  });

  it('ends quietly when its reader goes away', async () => {
    const many = await createPipeline({ listen: path.join(folder, 'many.sock'), threads: 'inline' });
    // More than pipes and sockets hold, so that the command is still writing when `head` has gone.
    const event = { type: 'container', action: 'exec_create', id: 'c1', args: 'x'.repeat(1000) };
    while (many.stats().headSeq < 10_000) {
      if (many.publish(event) === 'full') await new Promise((resolve) => setImmediate(resolve));
    }
    const script = `"$0" "$1" events -H "$2" -S 0 | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = spawn('bash', ['-c', script, process.execPath, MAIN, `unix://${folder}/many.sock`]);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece));
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (errors += piece));
    await new Promise((resolve) => child.once('close', resolve));
    await many.close();
    assert.match(output, /^\S+ container exec_create: x+ c1\n0\n$/);
    assert.equal(errors, '');
  });

  it('says on stderr what was wrong, with its code, and exits as sysexits(3) has it', async () => {
    const nowhere = `unix://${path.join(folder, 'nobody.sock')}`;
    const cases: (readonly [args: readonly string[], code: number, error: RegExp])[] = [
      [['events', '-H', host, '-S', 'yesterday'], 64, /ERR_TIME_INVALID/],
      [['events', '-H', host, '-S', '2', '-U', '1'], 64, /ERR_SINCE_AFTER_UNTIL/],
      [['events', '-H', host, '-f', 'colour=red'], 64, /ERR_FILTER_INVALID/],
      [['events', '-H', host, '-f', 'nonsense'], 64, /ERR_FILTER_INVALID/],
      [['events', '-H', host, '--after', 'nonsense'], 64, /ERR_CURSOR_INVALID/],
      [['events', '-H', host, '--format', 'xml'], 64, /ERR_OPTION_INVALID/],
      [['events', '-H', 'tcp://somewhere'], 64, /ERR_OPTION_INVALID/],
      [['events', '--colour'], 64, /unknown option/],
      [['dance'], 64, /unknown command/],
      [['serve', '--fanouts', 'many'], 64, /ERR_OPTION_INVALID/],
      [['send', 'container', 'c1', 'DANCE', '--fifo', path.join(folder, 'f')], 64, /ERR_STATE_UNKNOWN/],
      [['events', '-H', host, '-n', 'nobody'], 1, /ERR_CONTAINER_UNKNOWN/],
      [['events', '-H', nowhere], 69, /ERR_DAEMON_UNAVAILABLE/],
      [['send', 'container', 'c1', 'START', '--fifo', path.join(folder, 'nothing')], 69, /ERR_FIFO_MISSING/],
      [['container', 'ls', '-H', nowhere], 69, /ERR_DAEMON_UNAVAILABLE/],
    ];
    for (const [args, code, error] of cases) {
      const outcome = await tocsin(args);
      assert.deepEqual({ args, code: outcome.code, stdout: outcome.stdout }, { args, code, stdout: '' });
      assert.match(outcome.stderr, error);
    }
  });

  it('explains itself in iSulad’s words', async () => {
    const { code, stdout } = await tocsin(['events', '--help']);
    assert.equal(code, 0);
    for (const words of [
      'Get real time events from the server',
      'Name of the container',
      'Show all events created since this timestamp',
      'Show all events created until this timestamp',
    ]) {
      assert.ok(stdout.includes(words), words);
    }
  });
});

describe('tocsin, beside a daemon', () => {
  let daemon: Daemon;

  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    assert.equal(await daemon.stop(), 0);
  });

  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await tocsin(args);
    assert.deepEqual({ args, code, stderr }, { args, code: 0, stderr: '' });
    return stdout;
  };
  const text = async (): Promise<string[]> => {
    const lines = await run('events', '-H', `unix://${daemon.events}`, '-S', '0', '--no-follow');
    return lines
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(line.indexOf(' ') + 1));
  };

  it('describes a container, sends its events, and forgets it', async () => {
    const { root } = daemon;
    const described = ['--name', 'web', '--image', 'nginx:1', '--pid', '77', '--label', 'app=shop', '--label', 'a=b=c'];
    await run('container', 'set', 'c1', '--root', root, ...described);
    await run('send', 'container', 'web', 'START', '--root', root);
    const exec = ['--args', 'ls -l', '--extra', 'traceId=17'];
    await run('send', 'container', 'c1', 'exec_create', '--root', root, ...exec);
    await run('send', 'container', 'c1', 'STOPPED', '--root', root, '--pid', '77', '--exit-code', '7');
    await run('send', 'image', 'nginx:1', 'PULL', '--root', root);
    assert.match(await run('container', 'ls', '--root', root), /"name":"web"/);
    await run('container', 'rm', 'c1', '--root', root);
    await run('send', 'container', 'other', 'STOPPED', '--fifo', daemon.fifo, '--pid', '5', '--exit-code=-1');
    await waitFor(async () => (await statsOf(daemon)).headSeq === 5, 'the events');
    assert.deepEqual(await text(), [
      'container start c1 (a=b=c, app=shop, image=nginx:1, name=web, pid=77)',
      'container exec_create: ls -l c1 (a=b=c, app=shop, image=nginx:1, name=web, pid=77, traceId=17)',
      'container die c1 (a=b=c, app=shop, exitCode=7, image=nginx:1, name=web, pid=77)',
      'image pull nginx:1',
      'container die other (exitCode=125, pid=5)',
    ]);
  });

  it('refuses a second daemon and takes nothing from the first', async () => {
    const { code, stderr } = await tocsin(['serve', '--root', daemon.root]);
    assert.equal(code, 1);
    assert.match(stderr, /ERR_FIFO_LOCKED/);
    const before = await text();
    await run('send', 'image', 'busybox', 'LOAD', '--root', daemon.root);
    await waitFor(async () => (await statsOf(daemon)).headSeq === before.length + 1, 'the event');
    assert.deepEqual(await text(), [...before, 'image load busybox']);
  });

  it('opens no inspector on SIGUSR1, and goes on', async () => {
    const listening = (): string[] =>
      fs
        .readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .filter((line) => / 0A /.test(line) && line.includes(':240D'));
    const before = listening();
    process.kill(daemon.pid, 'SIGUSR1');
    await waitFor(() => daemon.log().includes('SIGUSR1 ignored'), 'the log line');
    assert.doesNotMatch(daemon.log(), /Debugger listening/);
    assert.deepEqual(listening(), before, 'port 9229');
    assert.equal((await statsOf(daemon)).counters['events']! > 0, true);
  });

  it('says when the pipe stays full for 5 s', async () => {
    // A FIFO with a reader that does not read.
    const fifo = path.join(daemon.root, 'full_fifo');
    execFileSync('mkfifo', [fifo]);
    const reader = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    try {
      assert.throws(() => {
        for (;;) fs.writeSync(reader, Buffer.alloc(4096));
      }, /EAGAIN/);
      const { code, stderr } = await tocsin(['send', 'image', 'busybox', 'LOAD', '--fifo', fifo]);
      assert.equal(code, 1);
      assert.match(stderr, /stayed full for 5000 ms \(ERR_FIFO_FULL\)/);
    } finally {
      fs.closeSync(reader);
    }
    const { code, stderr } = await tocsin(['send', 'image', 'busybox', 'LOAD', '--fifo', fifo]);
    assert.equal(code, 69);
    assert.match(stderr, /ERR_FIFO_NO_READER/);
  });

  it('shows who is connected, as a table, as JSON, and on a terminal again and again', async () => {
    const child = spawn(process.execPath, [MAIN, 'events', '-H', `unix://${daemon.events}`, '-f', 'event=die'], {
      stdio: 'ignore',
    });
    const admin = ['clients', '-H', `unix://${daemon.admin}`];
    await waitFor(async () => (await tocsin([...admin, '--format', 'json'])).stdout !== '', 'the client');
    const { stdout } = await tocsin([...admin, '--format', 'json']);
    const { shard, door, filter, lagEvents, lagSeconds, state } = JSON.parse(stdout);
    assert.deepEqual(
      { shard, door, filter, lagEvents, lagSeconds, state },
      { shard: 0, door: 'native', filter: '["event=die"]', lagEvents: 0, lagSeconds: 0, state: 'live' },
    );
    const table = (await tocsin(admin)).stdout.split('\n');
    assert.match(table[0] ?? '', /^1 clients, largest lag 0 events$/);
    assert.match(table[2] ?? '', /^ID +SHARD +DOOR /);
    // script(1) gives it a terminal; its own stdin must stay open.
    const command = `${process.execPath} ${MAIN} ${admin.join(' ')} --interval 100ms`;
    const onTerminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let shown = '';
    onTerminal.stdout.on('data', (drawn: Buffer) => (shown += drawn.toString()));
    const ended = new Promise((resolve) => onTerminal.once('close', resolve));
    await waitFor(() => shown.split('deliveries/s').length > 3, 'the table to be drawn three times');
    onTerminal.stdin.write('\u0003');
    await ended;
    assert.ok(shown.startsWith('\u001b[?1049h'), 'the alternate screen');
    assert.ok(shown.trimEnd().endsWith('\u001b[?1049l'), 'and back');
    child.kill();
  });

  it('ends an events command on SIGTERM as signals do, and its daemon forgets the client', async () => {
    const child = spawn(process.execPath, [MAIN, 'events', '-H', `unix://${daemon.events}`], { stdio: 'ignore' });
    const gone = new Promise<NodeJS.Signals | null>((resolve) => {
      child.once('exit', (_code, signal) => resolve(signal));
    });
    const { counters } = await statsOf(daemon);
    const attached = counters['clientsAttached']!;
    await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached']! > attached, 'the client');
    child.kill('SIGTERM');
    assert.equal(await gone, 'SIGTERM');
    const left = counters['clientsLeft']!;
    await waitFor(async () => (await statsOf(daemon)).counters['clientsLeft']! > left, 'the client to be gone');
  });

  it('is forgiven junk: memory is back where it was after rounds of hostile input', async () => {
    const residentKb = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]);
    const round = async (): Promise<void> => {
      const pipe = fs.openSync(daemon.fifo, fs.constants.O_WRONLY);
      for (let write = 0; write < 200; write += 1) fs.writeSync(pipe, Buffer.alloc(4000, write));
      fs.closeSync(pipe);
      const speakers = [
        'GET /v1/events?since=',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        '\u0016\u0003\u0001',
        'x'.repeat(20_000),
      ];
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => {
          const socket = net.connect(daemon.events);
          socket.on('error', () => {});
          socket.end(`${speakers[index % speakers.length]}${'%'.repeat(index * 100)}\r\n\r\n`);
          socket.resume();
          return new Promise((resolve) => socket.once('close', resolve));
        }),
      );
    };
    /** Of the last fifty of so many: it falls by 20 MB for a moment whenever what was freed is given back. */
    const mostKb = async (rounds: number): Promise<number> => {
      let most = 0;
      for (let left = rounds; left > 0; left -= 1) {
        await round();
        if (left <= 50) most = Math.max(most, residentKb());
      }
      return most;
    };
    // The heaps grow to their working size first; from then on nothing may be kept.
    const before = await mostKb(100);
    const after = await mostKb(100);
    const { counters } = await statsOf(daemon);
    console.log(
      `# RSS ${before} KB after 100 hostile rounds, ${after} KB after 200; ${counters['junkBytes']} bytes of junk`,
    );
    assert.ok(after < before + 16 * 1024, `${before} KB became ${after} KB`);
    await run('send', 'image', 'alpine', 'LOAD', '--root', daemon.root);
    const wanted = counters['events']! + 1;
    await waitFor(async () => (await statsOf(daemon)).counters['events'] === wanted, 'the event');
    assert.equal((await text()).at(-1), 'image load alpine');
  });
});

describe('tocsin serve', () => {
  it('says where it listens, keeps everything in its root, and removes its sockets when it ends', async () => {
    const daemon = await startDaemon(['--threads', 'inline']);
    assert.match(
      daemon.log(),
      /ready in \d+ ms; events on \S+tocsin.sock, admin on \S+admin.sock, FIFO \S+monitord_fifo/,
    );
    assert.deepEqual(fs.readdirSync(daemon.root).sort(), ['admin.sock', 'history', 'monitord_fifo', 'tocsin.sock']);
    process.kill(daemon.pid, 'SIGINT');
    assert.equal(await daemon.exited, 0);
    assert.deepEqual(
      fs.readdirSync(daemon.root).filter((name) => name.endsWith('.sock')),
      [],
    );
    fs.rmSync(daemon.root, { recursive: true });
  });
});
