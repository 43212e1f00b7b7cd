import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { call, statsOf, tocsin, waitFor } from '../support/daemon.ts';
import { isRunning, Lineage, type Upgrades, runUpgrades } from './support/upgrades.ts';

/** `npm run upgrades -- --count 100` is the whole of it. */
const UPGRADES = 3;
const RATE = 5_000;

function assertSeamless(result: Upgrades): void {
  const { senderExit, refused, accepted, sent, lost, repeated, isSameEpoch, resumed, upgrades, clients } = result;
  assert.deepEqual(
    { senderExit, refused, accepted, lost, repeated, isSameEpoch },
    { senderExit: 0, refused: [], accepted: sent, lost: 0, repeated: 0, isSameEpoch: true },
  );
  assert.ok(resumed >= upgrades * clients, `${resumed}`);
}

describe('an upgrade under load', () => {
  for (const [command, what] of [
    ['serve', 'when the daemon starts its successor'],
    ['supervise', 'when tocsin supervise does'],
  ] as const) {
    it(`costs no sender an error and no client an event, ${what}`, { timeout: 240_000 }, async (t) => {
      const result = await runUpgrades(UPGRADES, RATE, command);
      t.diagnostic(JSON.stringify(result));
      assertSeamless(result);
    });
  }
});

describe('SIGUSR2', () => {
  const record = async ({ root }: Lineage): Promise<void> =>
    assert.equal((await tocsin(['send', 'container', 'c1', 'START', '--root', root])).code, 0);

  it('is refused while a successor is starting, and where one would have nothing to go on with', async () => {
    const lineage = new Lineage('serve');
    await lineage.ready();
    const { pid } = lineage;
    process.kill(pid, 'SIGUSR2');
    await waitFor(() => lineage.log.includes('SIGUSR2: starting a successor'), 'the first to be taken');
    process.kill(pid, 'SIGUSR2');
    await waitFor(() => lineage.log.includes('SIGUSR2 ignored: a successor is starting already'), 'the refusal');
    await lineage.ready(2);
    assert.notEqual(lineage.pid, pid);
    assert.equal(await lineage.stop(), 0);

    const forgetful = new Lineage('serve', ['--durability', 'memory']);
    await forgetful.ready();
    process.kill(forgetful.pid, 'SIGUSR2');
    await waitFor(() => forgetful.log.includes('SIGUSR2 ignored: there is no history on disk'), 'the refusal');
    assert.equal(await forgetful.stop(), 0);
  });

  it('changes nothing when the successor cannot start', async () => {
    const lineage = new Lineage('serve');
    await lineage.ready();
    const { pid, root } = lineage;
    const config = path.join(root, 'config.toml');
    fs.writeFileSync(config, 'no-such-option = 1\n');
    process.kill(pid, 'SIGUSR2');
    await waitFor(() => lineage.log.includes('SIGUSR2: this daemon goes on'), 'the daemon to say so');
    assert.match(lineage.log, /the successor ended with 78 before it had booted \(ERR_SUCCESSOR_FAILED\)/);
    await record(lineage);
    await waitFor(async () => (await statsOf(lineage)).headSeq === 1, 'the record');
    fs.rmSync(config);
    await lineage.upgrade();
    await record(lineage);
    await waitFor(async () => (await statsOf(lineage)).headSeq === 2, 'the record');
    assert.equal(await lineage.stop(), 0);
  });

  it('takes what options say then: a socket that is new, one that is gone, and the mode of one that stays', async () => {
    const lineage = new Lineage('serve');
    await lineage.ready();
    const { root, events } = lineage;
    const file = path.join(root, 'other.sock');
    const restart = async (...addresses: string[]): Promise<void> => {
      fs.writeFileSync(path.join(root, 'config.toml'), `listen = ${JSON.stringify(addresses)}\n`);
      await lineage.upgrade();
    };
    await restart(`unix://${events}?mode=0600`, `unix://${file}`);
    assert.equal(fs.statSync(events).mode & 0o777, 0o600);
    for (const socket of [events, file]) assert.equal((await call(socket, '/_ping')).status, 200);
    await restart(`unix://${events}`);
    assert.equal(fs.statSync(events).mode & 0o777, 0o660);
    assert.equal(fs.existsSync(file), false);
    assert.equal((await call(events, '/_ping')).status, 200);
    assert.equal(await lineage.stop(), 0);
  });

  it('does not wait for a client that does not read', async () => {
    const lineage = new Lineage('serve', ['--drain-timeout', '1h']);
    await lineage.ready();
    const stopped = await stoppedClient(lineage);
    await lineage.upgrade();
    assert.match(lineage.log, / 1 cut, 0 left/);
    stopped.destroy();
    assert.equal(await lineage.stop(), 0);
  });

  it('leads to a successor that goes on also when the daemon is killed before it has handed over', async () => {
    const lineage = new Lineage('serve');
    await lineage.ready();
    const { pid, events } = lineage;
    await record(lineage);
    await waitFor(async () => (await statsOf(lineage)).headSeq === 1, 'the record');
    process.kill(pid, 'SIGUSR2');
    await waitFor(() => lineage.log.includes('SIGUSR2: starting a successor'), 'the successor to be started');
    process.kill(pid, 'SIGSTOP');
    lineage.heir = Number(/a successor, process (\d+)/.exec(lineage.log)?.[1]);
    await record(lineage);
    process.kill(pid, 'SIGKILL');
    await lineage.ready(2);
    await waitFor(async () => (await statsOf(lineage)).headSeq === 2, 'the record that was in the FIFO');
    const { body } = await call(events, '/v1/events?since=0&follow=false');
    assert.ok(body.startsWith('{"seq":1,'), body);
    await lineage.stop();
  });

  it('leaves no descriptor behind, however often it comes', async () => {
    const lineage = new Lineage('serve');
    await lineage.ready();
    const { pid } = lineage;
    const count = sharedDescriptors(pid);
    for (let upgrade = 0; upgrade < 3; upgrade += 1) {
      await lineage.upgrade();
      await waitFor(() => sharedDescriptors(lineage.pid) === count, `${count} descriptors`);
    }
    assert.equal(isRunning(pid), false);
    assert.equal(await lineage.stop(), 0);
  });
});

/** One that asks for more than its socket takes, and reads none of it. */
async function stoppedClient({ events, admin }: Lineage): Promise<net.Socket> {
  const event = JSON.stringify({
    type: 'container',
    action: 'start',
    id: 'c2',
    attributes: { padding: 'x'.repeat(500) },
  });
  const body = Array.from({ length: 1_000 }, () => event).join('\n');
  for (let batch = 0; batch < 4; batch += 1)
    assert.equal((await call(admin, '/v1/events', { method: 'POST', body })).status, 200);
  const client = net.connect(events);
  client.on('error', () => {});
  client.pause();
  client.write('GET /v1/events?since=0 HTTP/1.1\r\nHost: tocsin\r\n\r\n');
  await waitFor(
    async () => (JSON.parse((await call(admin, '/v1/clients')).body) as readonly unknown[]).length === 1,
    'the client to be there',
  );
  return client;
}

/** Listening sockets and FIFOs. */
function sharedDescriptors(pid: number): number {
  const links = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.startsWith('socket:') || link.includes('monitord_fifo')).length;
}
