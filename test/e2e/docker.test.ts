import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { call, CHECKOUT, type Daemon, startDaemon, tocsin, waitFor } from '../support/daemon.ts';
import { recordedLines } from '../support/vectors.ts';
import { dockerClis, pythonWithDocker } from './support/docker-clients.ts';

const VECTORS = path.join(CHECKOUT, 'test/vectors/docker-events-format-json.jsonl');
const LINES = recordedLines('docker-events-format-json.jsonl');
const TEXT = recordedLines('docker-events-text.txt');

interface DockerEvent {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly time: number;
}
const EVENTS = LINES.map((line) => JSON.parse(line) as DockerEvent);
/** `1795474788.648732211`, exactly. */
const TIMES = LINES.map((line) => {
  const nanos = /"timeNano":(\d+)/.exec(line)![1]!;
  return `${nanos.slice(0, -9)}.${nanos.slice(-9)}`;
});
const ALL = ['--since', '0', '--until', `${EVENTS.at(-1)!.time + 1}`];

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Every version at hand. */
const CLIS = dockerClis();
console.log(`docker ${CLIS.map(({ version }) => version).join(', ')}`);

/** The stock command line, with the API version of the recording. */
function docker(
  program: string,
  daemon: Daemon,
  args: readonly string[],
): { readonly done: Promise<Output>; readonly output: () => string } {
  const child = spawn(program, ['events', ...args], {
    env: { ...process.env, TZ: 'UTC', DOCKER_HOST: `unix://${daemon.events}`, DOCKER_API_VERSION: '1.41' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const done = new Promise<Output>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { done, output: () => stdout };
}

async function importVectors(daemon: Daemon): Promise<void> {
  const imported = await tocsin(['history', 'import', VECTORS, '--root', daemon.root]);
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stdout, /^[a-z2-7]{8}-117\n$/);
}

async function attached(daemon: Daemon, count: number): Promise<void> {
  await waitFor(async () => {
    const clients = JSON.parse((await call(daemon.admin, '/v1/clients')).body) as { door: string }[];
    return clients.filter(({ door }) => door === 'docker').length === count;
  }, `${count} Docker clients`);
}

function modern(line: string): unknown {
  const { status: _s, id: _i, from: _f, ...rest } = JSON.parse(line) as Record<string, unknown>;
  return rest;
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

describe('Docker\u2019s clients over imported history', () => {
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon();
    await importVectors(daemon);
  });
  after(() => daemon.stop());

  it('docker events prints the recorded text and JSON, byte for byte, and ends with 0', async () => {
    for (const { program } of CLIS) {
      assert.deepEqual(await docker(program, daemon, ALL).done, { code: 0, stdout: text(TEXT), stderr: '' });
      const json = await docker(program, daemon, [...ALL, '--format', '{{json .}}']).done;
      assert.deepEqual(json, { code: 0, stdout: text(LINES), stderr: '' });
    }
  });

  it('docker events includes both ends of --since and --until, to the nanosecond', async () => {
    for (const { program } of CLIS) {
      const { code, stdout } = await docker(program, daemon, ['--since', TIMES[20]!, '--until', TIMES[60]!]).done;
      assert.deepEqual([code, stdout], [0, text(TEXT.slice(20, 61))]);
      const rfc3339 = TEXT[20]!.split(' ', 1)[0]!;
      const one = await docker(program, daemon, ['--since', rfc3339, '--until', rfc3339]).done;
      assert.deepEqual([one.code, one.stdout], [0, text([TEXT[20]!])]);
    }
  });

  it('docker events filters as its engine does', async () => {
    for (const { program } of CLIS) {
      const someId = EVENTS.find(({ Type }) => Type === 'container')!.Actor.ID;
      const cases: readonly (readonly [readonly string[], (event: DockerEvent) => boolean])[] = [
        [['type=container'], ({ Type }) => Type === 'container'],
        [['type=image', 'type=volume'], ({ Type }) => Type === 'image' || Type === 'volume'],
        [['event=die'], ({ Action }) => Action === 'die'],
        [['event=delete'], ({ Action }) => Action === 'delete'],
        [['event=exec_create'], ({ Action }) => Action.startsWith('exec_create')],
        [['event=health_status'], ({ Action }) => Action.startsWith('health_status')],
        [['container=' + someId.slice(0, 12)], ({ Actor }) => Actor.ID.startsWith(someId.slice(0, 12))],
        [['label=app'], ({ Actor }) => 'app' in Actor.Attributes],
        [
          ['label=app', 'label=exitCode=3'],
          ({ Actor }) => 'app' in Actor.Attributes && Actor.Attributes['exitCode'] === '3',
        ],
        [
          ['type=container', 'event=start', 'event=die'],
          ({ Type, Action }) => Type === 'container' && /^(start|die)$/.test(Action),
        ],
        [['event!=exec_*'], ({ Action }) => !Action.startsWith('exec_')],
        [['name~=^h\\d$'], ({ Actor }) => /^h\d$/.test(Actor.Attributes['name'] ?? '')],
        [
          ['image=bb:1'],
          ({ Type, Actor }) => Actor.ID === 'bb:1' || Actor.Attributes[Type === 'image' ? 'name' : 'image'] === 'bb:1',
        ],
      ];
      for (const [filters, isShown] of cases) {
        const expected = LINES.filter((_, index) => isShown(EVENTS[index]!));
        const flags = filters.flatMap((filter) => ['--filter', filter]);
        const { stdout } = await docker(program, daemon, [...ALL, '--format', '{{json .}}', ...flags]).done;
        assert.ok(expected.length > 0, `no event for ${filters.join(', ')}`);
        assert.equal(stdout, text(expected), filters.join(', '));
      }
    }
  });

  it('tocsin events --quiet leaves out the health checks that the engine recorded, and no change of health', async () => {
    const args = ['events', '-S', '0', '--no-follow', '--format', 'json', '-H', `unix://${daemon.events}`];
    const [all, quiet] = await Promise.all([tocsin(args), tocsin([...args, '--quiet'])]);
    assert.deepEqual([all.code, quiet.code], [0, 0], quiet.stderr);
    const left = quiet.stdout.split('\n');
    const gone = all.stdout.split('\n').filter((line) => !left.includes(line));
    assert.ok(gone.length > 0 && gone.every((line) => /"action":"exec_.*"name":"h1"/.test(line)), gone.join('\n'));
    assert.match(quiet.stdout, /"action":"health_status","args":"healthy"/);
    assert.equal(left.length + gone.length, LINES.length + 1);
  });

  it('docker events says what the daemon refuses, and does not end with 0', async () => {
    for (const { program } of CLIS) {
      const { code, stdout, stderr } = await docker(program, daemon, ['--since', '20', '--until', '10']).done;
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /`since` time \(20\) cannot be after `until` time \(10\)/);
    }
  });

  it('dockerode reads the same objects, one from each piece of data', async () => {
    for (const [version, expected] of [
      ['v1.41', LINES.map((line): unknown => JSON.parse(line))],
      [undefined, LINES.map(modern)],
    ] as const) {
      const client = new Docker({ socketPath: daemon.events, ...(version ? { version } : {}) });
      const stream = (await client.getEvents({ since: 0, until: EVENTS.at(-1)!.time + 1 })) as Readable;
      const pieces = await dataOf(stream);
      assert.deepEqual(
        pieces.map((piece): unknown => JSON.parse(piece.toString())),
        expected,
      );
    }
    const client = new Docker({ socketPath: daemon.events });
    const filters = { type: ['network' as const] };
    const stream = (await client.getEvents({ until: EVENTS.at(-1)!.time + 1, filters })) as Readable;
    assert.equal((await dataOf(stream)).length, EVENTS.filter(({ Type }) => Type === 'network').length);
    await assert.rejects(client.getEvents({ filters: '[]' as never }), /HTTP code 400.*invalid filter/);
  });

  it('docker-py reads the same objects', async () => {
    const program = `
import sys, json, docker
client = docker.DockerClient(base_url='unix://' + sys.argv[1], version=sys.argv[3])
assert client.version()['ApiVersion'] == '1.54' and client.ping()
for event in client.events(since=0, until=int(sys.argv[2]), filters=json.loads(sys.argv[4]), decode=True):
    print(json.dumps(event))
`;
    const run = async (version: string, filters: unknown): Promise<unknown[]> => {
      const until = String(EVENTS.at(-1)!.time + 1);
      const child = spawn(pythonWithDocker(), ['-c', program, daemon.events, until, version, JSON.stringify(filters)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece));
      assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
      return output
        .split('\n')
        .filter(Boolean)
        .map((line): unknown => JSON.parse(line));
    };
    assert.deepEqual(
      await run('1.41', {}),
      LINES.map((line): unknown => JSON.parse(line)),
    );
    const containers = LINES.filter((_, index) => EVENTS[index]!.Type === 'container');
    assert.deepEqual(await run('auto', { type: ['container'] }), containers.map(modern));
  });

  it('the wire has one chunk an event, the type of the version, and the final chunk', async () => {
    for (const [target, type] of [
      ['/v1.41/events?until=0', 'application/json'],
      ['/events?until=0', 'application/jsonl'],
    ] as const) {
      const answer = await rawGet(daemon, target);
      assert.match(answer, new RegExp(`\r\nContent-Type: ${type}\r\n`));
      assert.match(answer, /\r\nApi-Version: 1\.54\r\n/);
      const chunks = [...answer.matchAll(/\r\n([0-9a-f]+)\r\n(\{.*\}\n)(?=\r\n)/g)];
      assert.equal(chunks.length, LINES.length);
      for (const [, size, line] of chunks) assert.equal(Number.parseInt(size!, 16), Buffer.byteLength(line!));
      assert.ok(answer.endsWith('\r\n0\r\n\r\n'));
    }
  });

  it('answers what is not an event stream as Docker does', async () => {
    for (const prefix of ['', '/v1.41']) {
      const ping = await call(daemon.events, `${prefix}/_ping`);
      assert.deepEqual([ping.status, ping.body, ping.headers['api-version']], [200, 'OK', '1.54']);
      assert.equal((await call(daemon.events, `${prefix}/_ping`, { method: 'HEAD' })).headers['content-length'], '0');
      for (const known of ['/version', '/info']) assert.equal((await call(daemon.events, prefix + known)).status, 200);
      for (const [target, method] of [
        ['/events/', 'GET'],
        ['/events', 'HEAD'],
        ['/events', 'POST'],
        ['/nope', 'GET'],
      ] as const)
        assert.equal((await call(daemon.events, prefix + target, { method })).status, 404, `${method} ${target}`);
    }
    for (const [target, status, message] of [
      ['/nope', 404, 'page not found'],
      ['/v1.99/events', 400, 'client version 1.99 is too new. Maximum supported API version is 1.54'],
      ['/events?filters=[]', 400, 'invalid filter'],
    ] as const) {
      const answer = await call(daemon.events, target);
      assert.deepEqual([answer.status, answer.headers['content-type']], [status, 'application/json']);
      assert.deepEqual(JSON.parse(answer.body), { message });
    }
  });
});

describe('docker events, live', () => {
  it('prints what comes, byte for byte, and ends with 0 when the daemon ends in order', async () => {
    for (const { program } of CLIS) {
      const daemon = await startDaemon();
      const plain = docker(program, daemon, []);
      const json = docker(program, daemon, ['--format', '{{json .}}']);
      await attached(daemon, 2);
      await importVectors(daemon);
      await waitFor(() => plain.output() === text(TEXT) && json.output() === text(LINES), 'all events');
      assert.equal(await daemon.stop(), 0);
      assert.deepEqual([(await plain.done).code, (await json.done).code], [0, 0]);
    }
  });

  it('does not end with 0 when the daemon is killed', async () => {
    for (const { program } of CLIS) {
      const daemon = await startDaemon();
      const live = docker(program, daemon, []);
      await attached(daemon, 1);
      process.kill(daemon.pid, 'SIGKILL');
      const { code, stderr } = await live.done;
      assert.notEqual(code, 0);
      assert.match(stderr, /EOF/);
      await daemon.stop();
    }
  });
});

/** What each 'data' brings: an iterator would join what has been buffered. */
function dataOf(stream: Readable): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('end', () => resolve(pieces));
  });
}

async function rawGet(daemon: Daemon, target: string): Promise<string> {
  const child = spawn('curl', ['-sN', '--raw', '-i', '--unix-socket', daemon.events, `http://docker${target}`]);
  let answer = '';
  child.stdout.setEncoding('latin1').on('data', (piece: string) => (answer += piece));
  await new Promise((resolve) => child.once('close', resolve));
  return answer;
}
