import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'node:test';
import { type Daemon, startDaemon, temporaryFolder, tocsin } from '../support/daemon.ts';

const CALLER = fileURLToPath(new URL('../support/socket-caller.js', import.meta.url));

/** Numbers that need not be there: the kernel compares no names. */
interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups?: readonly number[];
}

const ROOT: Account = { uid: 0, gid: 0 };
const READER: Account = { uid: 61_001, gid: 61_101 };
const ENGINE: Account = { uid: 61_002, gid: 61_102 };
/** In the engine's group, but not by its first one. */
const MEMBER: Account = { uid: 61_003, gid: 61_103, groups: [61_104, ENGINE.gid] };
const STRANGER: Account = { uid: 61_009, gid: 61_109 };
const ACCOUNTS = { ROOT, READER, ENGINE, MEMBER, STRANGER } as const;
type Name = keyof typeof ACCOUNTS;

interface Found {
  readonly status?: number;
  readonly body?: string;
  readonly error?: string;
}

/** What can be asked of a socket, and the right that it takes there. */
const READS = [
  ['GET', '/v1/events?since=0&follow=false'],
  ['GET', '/events?until=0s'],
  ['GET', '/v1.41/events?until=0s'],
  ['GET', '/containers/json'],
  ['GET', '/info'],
] as const;
const ADMIN_READS = [
  ['GET', '/v1/stats'],
  ['GET', '/v1/clients'],
  ['GET', '/v1/containers'],
  ['GET', '/metrics'],
] as const;
const EVENT = '{"type":"container","action":"start","id":"c1"}\n';
const PUBLISHES = [['POST', '/v1/events', EVENT]] as const;
const CHANGES = [
  ['PUT', '/v1/containers/c9', '{"name":"nine"}'],
  ['DELETE', '/v1/containers/c9', ''],
  ['POST', '/v1/history', EVENT],
] as const;
const HEALTH = [
  ['GET', '/healthz'],
  ['GET', '/readyz'],
  ['GET', '/_ping'],
] as const;
type Call = readonly [method: string, path: string, body?: string];
const EVERY_CALL: readonly Call[] = [...READS, ...ADMIN_READS, ...PUBLISHES, ...CHANGES, ...HEALTH];
const SOCKETS = ['open', 'some', 'closed', 'own', 'admin', 'all', 'publish', 'watch', 'change'] as const;
const EVERYBODY: readonly Name[] = ['ROOT', 'READER', 'ENGINE', 'MEMBER', 'STRANGER'];

const isRoot = process.geteuid?.() === 0;
const why = isRoot ? false : 'only root can be somebody else';

describe('access', { skip: why }, () => {
  let daemon: Daemon;
  const root = temporaryFolder();
  const socket = (name: string): string => path.join(root, `${name}.sock`);

  const callsAs = async (
    account: Account,
    calls: readonly (readonly [name: string, call: Call])[],
  ): Promise<readonly Found[]> => {
    const { uid, gid, groups = [] } = account;
    const { stdout } = await promisify(execFile)('setpriv', [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups',
      process.execPath,
      CALLER,
      JSON.stringify(calls.map(([name, call]) => [socket(name), ...call])),
    ]);
    return JSON.parse(stdout) as Found[];
  };
  const callAs = async (account: Account, name: string, call: Call): Promise<Found> =>
    (await callsAs(account, [[name, call]]))[0]!;

  /** What everybody gets to every call over every socket: one program each, since a program takes longer than all its calls. */
  const answers = new Map<string, Found>();
  const answerOf = (who: Name, name: string, [method, target]: Call): Found =>
    answers.get(`${who} ${method} ${target} on ${name}`)!;
  const askAll = async (who: Name): Promise<void> => {
    const asked = SOCKETS.flatMap((name) => EVERY_CALL.map((call) => [name, call] as const));
    const found = await callsAs(ACCOUNTS[who], asked);
    assert.equal(found.length, asked.length);
    for (const [index, [name, [method, target]]] of asked.entries())
      answers.set(`${who} ${method} ${target} on ${name}`, found[index]!);
  };

  /** Who is admitted gets an answer of the door, anybody else is told no, with a code. */
  const check = (name: string, calls: readonly Call[], admitted: readonly Name[]): void => {
    for (const who of EVERYBODY) {
      for (const call of calls) {
        const { status, body, error } = answerOf(who, name, call);
        const says = `${who} ${call.slice(0, 2).join(' ')} on ${name}: ${status ?? error} ${body?.slice(0, 200)}`;
        if (admitted.includes(who)) assert.ok(status !== undefined && status !== 403, says);
        else {
          assert.equal(status, 403, says);
          assert.match(body ?? '', /not allowed to uid/, says);
        }
      }
    }
  };

  before(async () => {
    fs.chmodSync(root, 0o755);
    const listen = (name: string, query: string): string[] => ['--listen', `unix://${socket(name)}?${query}`];
    const admin = (name: string, query: string): string[] => ['--admin', `unix://${socket(name)}?${query}`];
    daemon = await startDaemon(
      [
        ...listen('open', 'mode=0666'),
        ...listen('some', `mode=0666&allow=uid:${READER.uid},gid:${ENGINE.gid}`),
        ...listen('closed', 'mode=0666&allow=none'),
        ...listen('own', 'mode=0600'),
        ...admin('admin', 'mode=0600'),
        ...admin('all', 'mode=0666&read=any&publish=any&admin=any'),
        ...admin('publish', `mode=0666&publish=gid:${ENGINE.gid}`),
        ...admin('watch', `mode=0666&read=uid:${READER.uid}&read=uid:0`),
        ...admin('change', `mode=0666&admin=uid:${ENGINE.uid}&publish=none`),
        '--metrics',
        '127.0.0.1:0',
      ],
      root,
    );
    const sent = await tocsin(['send', 'container', 'c1', 'START', '--root', root]);
    assert.equal(sent.code, 0, sent.stderr);
    for (const who of EVERYBODY) await askAll(who);
  });
  after(async () => {
    await daemon?.stop();
    fs.rmSync(root, { recursive: true, force: true });
  });

  it('to events: whoever can connect, unless the socket says who', () => {
    check('open', READS, EVERYBODY);
    check('some', READS, ['READER', 'ENGINE', 'MEMBER']);
    check('closed', READS, []);
  });

  it('to a socket that the file’s mode closes: nobody else can connect at all', () => {
    for (const [name, call] of [
      ['own', READS[0]],
      ['admin', ADMIN_READS[0]],
    ] as const) {
      assert.equal(answerOf('ROOT', name, call).status, 200);
      for (const who of EVERYBODY.slice(1)) assert.deepEqual(answerOf(who, name, call), { error: 'EACCES' });
    }
  });

  it('to publishing and changing: nobody over a socket for events, whoever asks', () => {
    for (const name of ['open', 'some', 'closed', 'own']) {
      for (const call of [...PUBLISHES, ...CHANGES, ...ADMIN_READS]) {
        const { status = 0 } = answerOf('ROOT', name, call);
        assert.ok([404, 405].includes(status), `${call.join(' ')} on ${name}: ${status}`);
      }
    }
  });

  it('to an admin socket: to everything whoever can connect, where no right is said', () => {
    check('all', [...ADMIN_READS, ...PUBLISHES, ...CHANGES], EVERYBODY);
  });

  it('to an admin socket: to each thing who has that right, and to the rest nobody', () => {
    check('publish', PUBLISHES, ['ENGINE', 'MEMBER']);
    check('publish', [...ADMIN_READS, ...CHANGES], []);
    check('watch', ADMIN_READS, ['ROOT', 'READER']);
    check('watch', [...PUBLISHES, ...CHANGES], []);
    check('change', CHANGES, ['ENGINE']);
    check('change', [...ADMIN_READS, ...PUBLISHES], []);
  });

  it('to health: whoever can connect, over each socket', () => {
    for (const name of ['open', 'some', 'closed', 'all', 'publish', 'watch', 'change'])
      for (const who of EVERYBODY) for (const call of HEALTH) assert.equal(answerOf(who, name, call).status, 200);
  });

  it('changes nothing where it is denied, and is counted', async () => {
    const stats = async (): Promise<{ headSeq: number; counters: { requestsRefused: number } }> =>
      JSON.parse((await callAs(ROOT, 'all', ['GET', '/v1/stats'])).body ?? '') as never;
    const before = await stats();
    await callsAs(STRANGER, [
      ...PUBLISHES.map((call) => ['publish', call] as const),
      ...READS.map((call) => ['some', call] as const),
    ]);
    const now = await stats();
    assert.equal(now.headSeq, before.headSeq);
    assert.equal(now.counters.requestsRefused, before.counters.requestsRefused + READS.length);
  });

  it('is by the names that the machine knows, too; one that it does not know keeps the daemon from starting', async () => {
    const { code, stderr } = await tocsin([
      'serve',
      '--root',
      temporaryFolder(),
      '--admin',
      `unix://${socket('x')}?read=uid:no-such-user`,
    ]);
    assert.notEqual(code, 0);
    assert.match(stderr, /no-such-user/);
    for (const bad of ['read=root', 'read=uid:', 'allow=any', 'publish=gid', 'mode=9'])
      assert.equal((await tocsin(['serve', '--root', root, '--admin', `unix://${socket('x')}?${bad}`])).code, 64, bad);
  });

  it('tells who a client is', async () => {
    const reading = callAs(READER, 'open', ['GET', `/v1/events?until=${Date.now() / 1000 + 1.5}`]);
    for (let tries = 0; ; tries += 1) {
      const { body = '[]' } = await callAs(ROOT, 'all', ['GET', '/v1/clients']);
      const [client] = JSON.parse(body) as { peer: string }[];
      if (client) {
        assert.match(client.peer, new RegExp(`^uid ${READER.uid} pid \\d+$`));
        break;
      }
      assert.ok(tries < 100, 'the client never comes');
    }
    await reading;
  });

  it('to the history: a folder that everybody may write to is refused', async () => {
    const folder = temporaryFolder();
    fs.mkdirSync(path.join(folder, 'history'));
    fs.chmodSync(path.join(folder, 'history'), 0o777);
    const { code, stderr } = await tocsin(['serve', '--root', folder]);
    assert.equal(code, 1);
    assert.match(stderr, /everybody may write to .*history: chmod o-w \(ERR_HISTORY_UNUSABLE\)/);
    fs.rmSync(folder, { recursive: true });
  });
});
