import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { call, type Daemon, startDaemon, statsOf, tocsin, waitFor } from '../support/daemon.ts';
import { freePort, vector } from '../support/remote.ts';
import { dockerEngine, missingFor, podmanEngine, type RealEngine } from './support/engines.ts';

const DOCKER_MISSING = missingFor(['dockerd', 'docker', 'runc', 'busybox']);
const PODMAN_MISSING = missingFor(['podman', 'docker', 'runc', 'busybox']);

/** A stock command line that prints events until it is stopped. */
function dockerEvents(host: string, args: readonly string[]): { readonly text: () => string; end(): Promise<string> } {
  const child = spawn('docker', ['events', ...args], {
    env: { ...process.env, TZ: 'UTC', DOCKER_HOST: host, DOCKER_API_VERSION: '1.41' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { text, closed } = outputOf(child);
  return {
    text,
    async end() {
      child.kill('SIGINT');
      await closed;
      return text();
    },
  };
}

function outputOf(child: ChildProcess): { readonly text: () => string; readonly closed: Promise<unknown> } {
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return { text: () => text, closed: new Promise((resolve) => child.once('close', resolve)) };
}

const linesOf = (text: string): string[] => text.split('\n').filter(Boolean);

/** Waits until nothing new has come for a second: an engine has its last word some time after the command that led to it. */
async function quiet(read: () => number | Promise<number>): Promise<void> {
  let last = -1;
  let sinceMs = performance.now();
  await waitFor(async () => {
    const now = await read();
    if (now !== last) sinceMs = performance.now();
    last = now;
    return performance.now() - sinceMs > 1000;
  }, 'quiet');
}

async function attached(daemon: Daemon, count: number): Promise<void> {
  await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === count, `${count} clients`);
}

interface NativeEvent {
  readonly type: string;
  readonly action: string;
  readonly timeNano: string;
  readonly synthetic?: true;
  readonly attributes: Readonly<Record<string, string>>;
}

async function nativeLog(daemon: Daemon): Promise<NativeEvent[]> {
  const { stdout } = await tocsin([
    'events',
    '-S',
    '0',
    '--no-follow',
    '--format',
    'json',
    '-H',
    `unix://${daemon.events}`,
  ]);
  return linesOf(stdout).map((line) => JSON.parse(line) as NativeEvent);
}

describe('a Docker engine as a source', { skip: DOCKER_MISSING ?? false }, () => {
  /** Of the life cycle; it has the image still. */
  let used: RealEngine | undefined;
  after(() => used?.remove());

  it('is told of by Tocsin as by itself, over TLS: its whole life cycle, in text and JSON, live and from history', async () => {
    for (let attempt = 1; attempt <= 3 && !used; attempt += 1) {
      const { engine, port } = await engineWithTls();
      if (await compareLifeCycle(engine, port)) used = engine;
      else {
        console.log(`# attempt ${attempt}: the engine told what happened at once in different orders`);
        await engine.remove();
      }
    }
    assert.ok(used, 'the engine never told its events in the order of their times');
  });

  it('is told of without the secrets in its commands and labels, in every output, unless they are to be shown', async () => {
    assert.ok(used, 'there is no engine');
    const engine = used;
    const args = ['--source', `docker=${engine.host}`];
    const eventLog = path.join(engine.images, 'events.log');
    const [redacting, plain] = await Promise.all([
      startDaemon([...args, '--event-log', eventLog, '--redact-names', 'door_code']),
      startDaemon([...args, '--no-redact']),
    ]);
    try {
      const stock = dockerEvents(`unix://${redacting.events}`, []);
      await attached(redacting, 2);
      await haveSecrets(engine);
      for (const daemon of [redacting, plain])
        await waitFor(
          async () => (await nativeLog(daemon)).some(({ attributes }) => attributes['last'] === 'yes'),
          'the last event',
        );
      await waitFor(() => stock.text().includes('last=yes'), 'the last line');
      await waitFor(() => fs.readFileSync(eventLog, 'utf8').includes('last=yes'), 'the event log');
      const live = await stock.end();
      assert.match(live, /exec_create: mysql --password \*\*\* -u root /);
      assert.match(live, /exec_start: sh -c TOKEN=\*\*\* true /);
      assert.match(live, /curl -H Authorization: Bearer \*\*\* http:\/\/host\/ /);
      assert.match(live, /container create .*db\.password=\*\*\*.*door_code=\*\*\*.*tier=front/);
      const told = await outputs(redacting, engine);
      for (const [name, text] of [...told, ['live', live], ['event log', fs.readFileSync(eventLog, 'utf8')]] as const) {
        assert.ok(text.includes('***') || text === '', name);
        assert.ok(!text.includes(SECRET), `${name}: ${text}`);
      }
      const shown = await outputs(plain, engine);
      for (const [name, text] of shown) assert.ok(text.includes(SECRET), name);
      const empty = told.filter(([, text]) => text === '').map(([name]) => name);
      assert.deepEqual(
        empty,
        ['native filter', 'docker filter', 'docker label'],
        'a filter confirmed a secret, or all is empty',
      );
      // The folder of a history has them; who exports it says whether they are to be seen.
      for (const [flags, isShown] of [
        [[], false],
        [['--no-redact'], true],
      ] as const) {
        const words = ['--redact-names', 'door_code'];
        const { stdout } = await tocsin(['history', 'export', '--root', redacting.root, ...words, ...flags]);
        assert.equal(stdout.includes(SECRET), isShown);
        assert.ok(stdout.includes('"last":"yes"'));
      }
    } finally {
      await redacting.stop();
      await plain.stop();
    }
  });

  it('loses and repeats nothing without a word, whichever side ends in the middle of what happens', async () => {
    const engine = dockerEngine();
    await engine.start();
    await engine.run('docker', ['load', '-i', `${engine.images}/image.tar`]);
    // The engine remembers nothing of it when it is first listened to.
    await engine.run('docker', ['create', '--name', 'old', '--network', 'none', 'bb:1']);
    await engine.stop();
    await engine.start();
    const args = ['--source', `docker=${engine.host}`];
    let daemon = await startDaemon(args);
    const reader = new Reconnecting(engine.socketPath);
    const synthetic = async (): Promise<string[]> =>
      (await nativeLog(daemon)).flatMap(({ action, attributes, synthetic: is }) =>
        is ? [`${action} ${attributes['name']}`] : [],
      );
    try {
      await waitFor(async () => (await statsOf(daemon)).headSeq === 1, 'what was there before');
      await reader.open();
      const tags = new Tagging(engine);
      const between = async (count: number): Promise<void> => {
        const enough = tags.names.length + count;
        await waitFor(() => tags.names.length >= enough, `${count} events`);
      };
      for (let round = 0; round < 2; round += 1) {
        await between(40);
        // Both readers are away at the same time. What the reader got last may still be on its way into the log.
        reader.close();
        await between(20);
        process.kill(daemon.pid, 'SIGKILL');
        await daemon.exited;
        if (round === 1) await engine.run('docker', ['rm', 'old']);
        await between(round === 1 ? 400 : 40);
        daemon = await startDaemon(args, daemon.root);
        // It is ready before it listens; what both are to get comes when both do.
        await waitFor(async () => (await statsOf(daemon)).counters['sourceEvents']! > 0, 'the source to listen');
        await reader.open();
        await between(40);
        await tags.pause();
        await engine.stop();
        await engine.start();
        await reader.open();
        tags.go();
      }
      await between(40);
      await tags.end();
      await waitFor(async () => (await synthetic()).length === 2, 'the end of what was removed unseen');
      assert.deepEqual(await synthetic(), ['create old', 'destroy old']);
      await quiet(async () => (await statsOf(daemon)).headSeq);
      const log = (await nativeLog(daemon)).filter((event) => !event.synthetic);
      const gaps = log.filter(({ type }) => type === 'source');
      const times = log.filter(({ type }) => type !== 'source').map(({ timeNano }) => timeNano);
      assert.equal(new Set(times).size, times.length, 'an event is there twice');
      const has = new Set(times);
      const lost = [...reader.times].filter((time) => !has.has(time));
      assert.deepEqual(lost, [], 'a direct reader got what the log has not');
      // Every `docker tag` is one event: those that are missing lie in gaps.
      const names = new Set(log.map(({ attributes }) => attributes['name']));
      const missing = tags.names.filter(({ name }) => !names.has(name));
      for (const { name, atNano } of missing)
        assert.ok(
          gaps.some(({ attributes }) => nanos(attributes['from']!) <= atNano && atNano <= nanos(attributes['to']!)),
          `${name} is missing, and no gap says so`,
        );
      assert.ok(missing.length > 0, 'the engine forgot nothing: the test proves less than it says');
      console.log(
        `# ${tags.names.length} tags; ${log.length - gaps.length} events in the log, ${reader.times.size} got by a direct reader, ` +
          `${missing.length} tags missing, all of them within the ${gaps.length} recorded gaps`,
      );
    } finally {
      reader.close();
      await daemon.stop();
      await engine.remove();
    }
  });
});

describe('a podman engine as a source', { skip: PODMAN_MISSING ?? false }, () => {
  it('is read to its end by docker events with an --until in the past', async () => {
    const engine = podmanEngine();
    await engine.start();
    const daemon = await startDaemon(['--source', `podman=${engine.host}`]);
    try {
      for (let n = 0; n < 30; n += 1) await engine.run('docker', ['volume', 'create', `v${n}`]);
      await engine.run('docker', ['load', '-i', `${engine.images}/image.tar`]);
      await engine.run('docker', ['run', '--rm', '--network', 'none', 'bb:1', '/bin/true']);
      await quiet(async () => (await statsOf(daemon)).headSeq);
      const { headSeq } = await statsOf(daemon);
      const past = ['events', '--since', '0', '--until', await nextSecond(), '--format', '{{json .}}'];
      const through = linesOf(await engine.run('docker', ['-H', `unix://${daemon.events}`, ...past]));
      const itself = linesOf(await engine.run('docker', past));
      assert.ok(headSeq >= 30, `${headSeq} events`);
      assert.equal(through.length, headSeq);
      console.log(
        `# podman: ${through.length} of ${headSeq} events through Tocsin, ${itself.length} from podman itself`,
      );
    } finally {
      await daemon.stop();
      await engine.remove();
    }
  });
});

/**
 * One life cycle, told by the engine and through Tocsin.
 * @returns false when the engine did not tell it in order: of two things that happen at once, its readers may hear either first
 */
async function compareLifeCycle(engine: RealEngine, port: number): Promise<boolean> {
  await engine.start();
  const files = `ca=${vector('ca')}&cert=${vector('client')}&key=${vector('client-key')}`;
  const daemon = await startDaemon(['--source', `docker=https://127.0.0.1:${port}?${files}`]);
  try {
    const forms = [[], ['--format', '{{json .}}']];
    const direct = forms.map((args) => dockerEvents(engine.host, args));
    const live = forms.map((args) => dockerEvents(`unix://${daemon.events}`, args));
    await attached(daemon, 2);
    // Nobody can ask the engine who listens to it.
    await heardBy(engine, direct);
    await engine.lifeCycle();
    await quiet(() => [...direct, ...live].reduce((sum, one) => sum + one.text().length, 0));
    const told = (await Promise.all(direct.map((one) => one.end()))).map(linesOf);
    const got = (await Promise.all(live.map((one) => one.end()))).map(linesOf);
    const past = ['-H', `unix://${daemon.events}`, 'events', '--since', '0', '--until', await nextSecond()];
    const replayed = (await Promise.all(forms.map((args) => engine.run('docker', [...past, ...args])))).map(linesOf);
    const { counters } = await statsOf(daemon);
    assert.deepEqual([counters['sourceGaps'], counters['sourceSynthetic']], [0, 0]);
    assert.ok(told[1]!.length >= 117, `${told[1]!.length} events`);
    if (counters['timesBumped']! > 0 || !told.every(isInOrder)) return false;
    assert.deepEqual(got, told);
    assert.deepEqual(replayed.map(modern), told.map(modern));
    console.log(`# ${told[1]!.length} events, times bumped 0, equal live and replayed, in text and JSON`);
    return true;
  } finally {
    await daemon.stop();
  }
}

const SECRET = 'zQ9s3cret';

/** Containers, execs and labels as people have them. */
async function haveSecrets(engine: RealEngine): Promise<void> {
  const labels = [`db.password=${SECRET}`, `url=https://me:${SECRET}@host/`, `door_code=${SECRET}`, 'tier=front'];
  const flags = labels.flatMap((label) => ['--label', label]);
  await engine.run('docker', ['run', '-d', '--name', 'sec', '--network', 'none', ...flags, 'bb:1', '/bin/sleep', '60']);
  const commands = [
    ['mysql', '--password', SECRET, '-u', 'root'],
    ['mysql', '-u', 'root', `-p${SECRET}`],
    ['sh', '-c', `TOKEN=${SECRET} true`],
    ['curl', '-H', `Authorization: Bearer ${SECRET}`, 'http://host/'],
    ['echo', `{"apiKey": "${SECRET}"}`],
  ];
  await Promise.all(commands.map((command) => engine.run('docker', ['exec', 'sec', ...command])));
  await engine.run('docker', ['rm', '-f', 'sec']);
  await engine.run('docker', ['create', '--name', 'last', '--label', 'last=yes', 'bb:1', '/bin/true']);
}

/** What a daemon shows of its past, in every format, and to who asks for a secret. */
async function outputs(
  daemon: Daemon,
  engine: RealEngine,
): Promise<readonly (readonly [name: string, text: string])[]> {
  const host = `unix://${daemon.events}`;
  const past = ['-H', host, 'events', '--since', '0', '--until', await nextSecond()];
  const filters = encodeURIComponent(JSON.stringify({ event: [`exec_create: mysql --password ${SECRET} -u root`] }));
  const sse = { headers: { Accept: 'text/event-stream' } };
  const native = '/v1/events?since=0&follow=false';
  return [
    ['text', (await tocsin(['events', '-S', '0', '--no-follow', '-H', host])).stdout],
    ['json', (await call(daemon.events, native)).body],
    ['sse', (await call(daemon.events, native, sse)).body],
    ['docker text', await engine.run('docker', past)],
    ['docker json', await engine.run('docker', [...past, '--format', '{{json .}}'])],
    ['docker 1.24', (await call(daemon.events, '/v1.24/events?until=0s')).body],
    ['native filter', (await call(daemon.events, `${native}&filters=${filters}`)).body],
    ['docker filter', (await call(daemon.events, `/events?until=0s&filters=${filters}`)).body],
    ['docker label', await engine.run('docker', [...past, '--filter', `label=db.password=${SECRET}`])],
  ];
}

/** One that can be reached over TLS, too. */
async function engineWithTls(): Promise<{ readonly engine: RealEngine; readonly port: number }> {
  const port = await freePort();
  const engine = dockerEngine([
    `--host=tcp://127.0.0.1:${port}`,
    '--tlsverify',
    `--tlscacert=${vector('ca')}`,
    `--tlscert=${vector('engine')}`,
    `--tlskey=${vector('engine-key')}`,
  ]);
  return { engine, port };
}

/** Lines in either form, in the order of their times. */
function isInOrder(lines: readonly string[]): boolean {
  const times = lines.map((line) => /"timeNano":(\d+)/.exec(line)?.[1] ?? line.slice(0, 30));
  return times.every((time, index) => index === 0 || times[index - 1]! < time);
}

/** Makes events until each of the readers has got one. */
async function heardBy(engine: RealEngine, readers: readonly { readonly text: () => string }[]): Promise<void> {
  await waitFor(async () => {
    await engine.run('docker', ['volume', 'create', 'probe']);
    await engine.run('docker', ['volume', 'rm', 'probe']);
    return readers.every((one) => one.text() !== '');
  }, 'the readers of the engine');
}

/** Lines as the newest version of the API has them: without what older ones put in front. */
function modern(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^\{("status":.*?,)?("id":"[^"]*",)?("from":"[^"]*",)?"Type"/, '{"Type"'));
}

/** The next full second, once it has begun: whatever has happened lies before it. */
async function nextSecond(): Promise<string> {
  const second = Math.floor(Date.now() / 1000) + 1;
  while (Date.now() < second * 1000) await wait(second * 1000 - Date.now());
  return String(second);
}

const nanos = (time: string): bigint =>
  BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n + BigInt(time.slice(20, 29));

/** `docker tag` over and over: an event each, of its own name. */
class Tagging {
  readonly names: { readonly name: string; readonly atNano: bigint }[] = [];
  readonly #engine: RealEngine;
  #isEnding = false;
  #isPaused = false;
  #isIdle = false;
  readonly #loop: Promise<void>;

  constructor(engine: RealEngine) {
    this.#engine = engine;
    this.#loop = this.#run();
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    await waitFor(() => this.#isIdle, 'the tags to pause');
  }

  go(): void {
    this.#isPaused = false;
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let n = 1; !this.#isEnding; n += 1) {
      while (this.#isPaused) {
        this.#isIdle = true;
        await wait(5);
      }
      this.#isIdle = false;
      const name = `bb:tag${n}`;
      if (!(await post(this.#engine.socketPath, `/images/bb:1/tag?repo=bb&tag=tag${n}`))) continue;
      this.names.push({ name, atNano: BigInt(Date.now()) * 1_000_000n });
    }
  }
}

/** @returns whether it was done */
function post(socketPath: string, target: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.request({ socketPath, path: target, method: 'POST', agent: false }, (response) => {
      response.resume();
      response.once('close', () => resolve(response.statusCode === 201));
    });
    request.on('error', () => resolve(false));
    request.end();
  });
}

/** A reader of the engine's own stream, as simple as they are: live, and again when it is told to. */
class Reconnecting {
  readonly times = new Set<string>();
  readonly #socketPath: string;
  #request: http.ClientRequest | undefined;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  open(): Promise<void> {
    this.close();
    return new Promise((resolve, reject) => {
      const request = http.get({ socketPath: this.#socketPath, path: '/events', agent: false }, (response) => {
        resolve();
        response.on('error', () => {});
        response.setEncoding('utf8').on('data', (text: string) => {
          for (const [, time] of text.matchAll(/"timeNano":(\d+)/g)) this.times.add(time!);
        });
      });
      this.#request = request;
      request.on('error', reject);
    });
  }

  close(): void {
    this.#request?.destroy();
  }
}
