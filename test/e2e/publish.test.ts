import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, type Daemon, MAIN, startDaemon, statsOf, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';
import { buildNative, type NativePrograms, startSender } from './support/native.ts';

const PER_PUBLISHER = 20_000;
const PUBLISHERS = ['p1', 'p2', 'p3', 'p4'];
const FIFO_RECORDS = 100_000;

interface Line {
  readonly seq: number;
  readonly id: string;
  readonly source?: string;
  readonly attributes: Readonly<Record<string, string>>;
}

function numbered(id: string, from: number, to: number): string {
  let lines = '';
  for (let n = from; n <= to; n += 1)
    lines += `{"type":"container","action":"start","id":"${id}","attributes":{"n":"${n}"}}\n`;
  return lines;
}

/** `tocsin publish` with this input. */
function publish(
  args: readonly string[],
  input: string,
  rest?: Promise<string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, 'publish', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A publisher that ends early closes its input.
  child.stdin.on('error', () => {});
  if (rest) child.stdin.write(input);
  else child.stdin.end(input);
  void rest?.then((more) => child.stdin.end(more));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

async function logOf(daemon: Daemon): Promise<Line[]> {
  const answer = await call(daemon.events, '/v1/events?since=0&follow=false');
  assert.equal(answer.complete, true);
  return answer.body
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

function range(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index + 1));
}

describe('publishers', () => {
  let programs: NativePrograms;
  let daemon: Daemon;
  before(async () => {
    programs = buildNative();
    daemon = await startDaemon(['--history-events', '1000000', '--history-bytes', '1GiB']);
  });
  after(() => daemon.stop());

  it('and the FIFO at once each keep their order, and none keeps another out', async () => {
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const publications = PUBLISHERS.map((id) => {
      const rest = begun.then(() => numbered(id, 2, PER_PUBLISHER));
      return publish(['--root', daemon.root, '--publisher', id], numbered(id, 1, 1), rest);
    });
    // All are up, each with its first event in the log, before any of the five has more to say.
    await waitFor(async () => (await statsOf(daemon)).headSeq === PUBLISHERS.length, 'the publishers');
    begin();
    const sender = startSender(programs, daemon.fifo, FIFO_RECORDS);
    for (const { code, stderr } of await Promise.all(publications)) assert.equal(code, 0, stderr);
    await sender.done;
    const log = await logOf(daemon);
    assert.equal(log.length, PUBLISHERS.length * PER_PUBLISHER + FIFO_RECORDS);
    for (const id of PUBLISHERS) {
      const numbers = log.filter((line) => line.id === id).map(({ attributes }) => attributes['n']);
      assert.deepEqual(numbers, range(PER_PUBLISHER), id);
    }
    const fromFifo = log.filter(({ source }) => source === 'fifo').map(({ attributes }) => attributes['seq']);
    assert.deepEqual(fromFifo, range(FIFO_RECORDS));

    // Of what was taken while all five were at it: until the first of them had said everything.
    const owners = log.map((line) => (line.source === 'fifo' ? 'fifo' : line.id));
    const names = [...PUBLISHERS, 'fifo'];
    const ended = Math.min(...names.map((name) => owners.lastIndexOf(name)));
    const together = owners.slice(PUBLISHERS.length, ended + 1);
    const shares = names.map((name) => [name, together.filter((other) => other === name).length] as const);
    console.log(
      `# shares of ${together.length} events: ${shares.map(([name, count]) => `${name} ${((100 * count) / together.length).toFixed(1)} %`).join(', ')}`,
    );
    for (const [name, count] of shares) assert.ok(count > 0, `${name} was kept out`);
  });

  it('that send again after a cut connection add nothing twice', async () => {
    const folder = temporaryFolder();
    const socketPath = path.join(folder, 'proxy.sock');
    const proxy = cuttingProxy(socketPath, daemon.admin);
    try {
      const before = await statsOf(daemon);
      const args = ['-H', `unix://${socketPath}`, '--publisher', 'cut'];
      const { code, stderr } = await publish(args, numbered('cut', 1, 5000));
      assert.equal(code, 0, stderr);
      const numbers = (await logOf(daemon)).filter(({ id }) => id === 'cut').map(({ attributes }) => attributes['n']);
      assert.deepEqual(numbers, range(5000));
      const repeated = (await statsOf(daemon)).counters['eventsRepeated']! - before.counters['eventsRepeated']!;
      assert.ok(proxy.cuts > 0 && repeated > 0, `${proxy.cuts} cuts, ${repeated} events sent again`);
      console.log(`# ${proxy.cuts} answers cut off; ${repeated} events came again and were recognised`);
    } finally {
      await proxy.close();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('of a name that is known add nothing with the same input, and what is new with a longer one', async () => {
    const args = ['--root', daemon.root, '--publisher', 'again'];
    const first = await publish(args, numbered('again', 1, 100));
    const second = await publish(args, numbered('again', 1, 100));
    const third = await publish(args, numbered('again', 1, 150));
    assert.deepEqual([first.code, second.code, third.code], [0, 0, 0]);
    assert.equal(second.stdout, first.stdout);
    assert.match(second.stderr, /100 events published, 100 of them had been there/);
    const numbers = (await logOf(daemon)).filter(({ id }) => id === 'again').map(({ attributes }) => attributes['n']);
    assert.deepEqual(numbers, range(150));
  });

  it('are told which line is no event, after the lines before it', async () => {
    const { code, stderr } = await publish(['--root', daemon.root], `${numbered('bad', 1, 2)}{"type":1}\n`);
    assert.equal(code, 1);
    assert.match(stderr, /line 3: .*ERR_EVENT_INVALID/);
    const numbers = (await logOf(daemon)).filter(({ id }) => id === 'bad').map(({ attributes }) => attributes['n']);
    assert.deepEqual(numbers, ['1', '2']);
  });

  it('have their bodies bounded, and are told by which limit', async () => {
    const answer = await call(daemon.admin, '/v1/events', { method: 'POST', body: numbered('big', 1, 50_000) });
    assert.equal(answer.status, 413);
    const { code, limit } = JSON.parse(answer.body) as { code: string; limit: string };
    assert.deepEqual([code, limit], ['ERR_BODY_TOO_LARGE', 'publish-body-bytes']);
  });

  it('cannot import history into a log that has events', async () => {
    const file = path.join(daemon.root, 'archive.jsonl');
    fs.writeFileSync(file, numbered('late', 1, 1));
    const { code, stderr } = await tocsin(['history', 'import', file, '--root', daemon.root]);
    assert.equal(code, 1);
    assert.match(stderr, /ERR_LOG_NOT_EMPTY/);
  });
});

/** Passes requests on, and cuts every third connection once the daemon has answered, before the answer gets through. */
function cuttingProxy(socketPath: string, target: string): { readonly cuts: number; close(): Promise<void> } {
  let answers = 0;
  let cuts = 0;
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    client.on('error', () => {}).on('close', () => upstream.destroy());
    upstream.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(upstream);
    upstream.on('data', (piece: Buffer) => {
      answers += 1;
      if (answers % 3 !== 0) return void client.write(piece);
      cuts += 1;
      client.destroy();
    });
  });
  server.listen(socketPath);
  return {
    get cuts() {
      return cuts;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
