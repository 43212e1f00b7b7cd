import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, type Daemon, startDaemon, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';

const EVENTS = [
  { type: 'container', action: 'start', id: 'c1', attributes: { name: 'shop', team: 'web' } },
  { type: 'container', action: 'start', id: 'c2', attributes: { name: 'vault', team: 'db' } },
  { type: 'network', action: 'connect', id: 'n1', attributes: { container: 'c1' } },
  { type: 'container', action: 'exec_create', args: 'ls', id: 'c1', attributes: { name: 'shop', team: 'web' } },
];

describe('a daemon with a limited socket', () => {
  let daemon: Daemon;
  let web = '';
  let until = 0;
  before(async () => {
    const root = temporaryFolder();
    web = path.join(root, 'team/web.sock');
    const gid = process.getgid?.() ?? 0;
    const address = `unix://${web}?types=container&label=team=web&mode=0600&group=${gid}`;
    daemon = await startDaemon(['--listen', path.join(root, 'tocsin.sock'), '--listen', address], root);
    for (const [id, name, team] of [
      ['c1', 'shop', 'web'],
      ['c2', 'vault', 'db'],
    ] as const)
      await call(daemon.admin, `/v1/containers/${id}`, {
        method: 'PUT',
        body: JSON.stringify({ name, image: 'nginx', pid: 7, labels: { team } }),
      });
    const body = EVENTS.map((event) => `${JSON.stringify(event)}\n`).join('');
    assert.equal((await call(daemon.admin, '/v1/events', { method: 'POST', body })).status, 200);
    // The command line asks in seconds.
    until = Math.floor(Date.now() / 1000) + 1;
    await waitFor(() => Date.now() / 1000 > until, 'a second to pass');
  });
  after(() => daemon.stop());

  it('says where it listens, and gives the socket to those that it names', () => {
    assert.ok(daemon.log().includes(`events on ${daemon.events}, ${web}, admin`), daemon.log());
    assert.equal(fs.statSync(web).mode & 0o777, 0o600);
    assert.equal(fs.statSync(daemon.events).mode & 0o777, 0o660);
  });

  it('shows the stock docker command what it may see: events, containers, and nothing of the others', async () => {
    const lines = async (socket: string, ...args: string[]): Promise<string[]> =>
      (await docker(socket, args)).stdout.split('\n').slice(0, -1);
    const events = [
      'events',
      '--since',
      '0',
      '--until',
      String(until),
      '--format',
      '{{.Type}} {{.Action}} {{.Actor.ID}}',
    ];
    const shown = ['container start c1', 'container exec_create: ls c1'];
    assert.equal((await lines(daemon.events, ...events)).length, EVENTS.length);
    assert.deepEqual(await lines(web, ...events), shown);
    for (const [filter, expected] of [
      ['type=network', []],
      ['container=vault', []],
      ['label=team=db', []],
      ['label!=team=web', []],
      ['container=shop', shown],
    ] as const)
      assert.deepEqual(await lines(web, ...events, '--filter', filter), expected, filter);
    assert.deepEqual((await lines(daemon.events, 'ps', '-a', '--format', '{{.Names}}')).sort(), ['shop', 'vault']);
    assert.deepEqual(await lines(web, 'ps', '-a', '--format', '{{.Names}}'), ['shop']);
    assert.deepEqual(await lines(web, 'info', '--format', '{{.Containers}}'), ['1']);
    const hidden = await docker(web, ['inspect', '--type', 'container', 'vault']);
    assert.equal(hidden.code, 1);
    assert.match(hidden.stderr, /No such container: vault/);
  });

  it('serves tocsin events there, and tells clients apart', async () => {
    const once = ['events', '-S', '0', '--no-follow', '-H', `unix://${web}`];
    const printed = await tocsin(once);
    assert.deepEqual([printed.code, printed.stdout.split('\n').length - 1], [0, 2]);
    const unknown = await tocsin([...once, '-n', 'vault']);
    assert.deepEqual([unknown.code, unknown.stderr], [1, 'tocsin: No such container: vault (ERR_CONTAINER_UNKNOWN)\n']);

    const following = [web, daemon.events].map((socket) => spawn('docker', ['-H', `unix://${socket}`, 'events']));
    const list = async (): Promise<string> =>
      (await tocsin(['clients', '--once', '-H', `unix://${daemon.admin}`])).stdout;
    await waitFor(async () => (await list()).startsWith('2 clients'), 'both clients');
    const table = await list();
    for (const child of following) child.kill();
    assert.match(table, /PEER +LISTENER +STATE/);
    assert.match(
      table,
      new RegExp(`docker +uid \\d+ pid \\d+ +${web} .*limit=\\["label=team=web","type=container"\\]`),
    );
    assert.match(table, new RegExp(`docker +uid \\d+ pid \\d+ +${daemon.events} `));
  });

  it('does not start with an address that it does not understand', async () => {
    for (const [address, message] of [
      [
        'unix:///x?typ=container',
        /^tocsin: listen: expected parameters out of types, label, .* \(ERR_OPTION_INVALID\)$/m,
      ],
      [
        `unix://${daemon.root}/x.sock?group=no-such-group`,
        /expected a name in \/etc\/group.* \(ERR_OPTION_INVALID\)$/m,
      ],
    ] as const) {
      const root = temporaryFolder();
      const { code, stderr } = await tocsin(['serve', '--root', root, '--listen', address]);
      fs.rmSync(root, { recursive: true });
      assert.notEqual(code, 0);
      assert.match(stderr, message);
    }
    assert.ok(!fs.existsSync(path.join(daemon.root, 'x.sock')));
  });
});

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The stock command line, asking this socket. */
function docker(socket: string, args: readonly string[]): Promise<Output> {
  const child = spawn('docker', ['-H', `unix://${socket}`, ...args], {
    env: { ...process.env, DOCKER_API_VERSION: '1.41' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
