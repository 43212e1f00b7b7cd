import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { call, statsOf, tocsin, waitFor } from '../support/daemon.ts';
import { isRunning, Lineage } from './support/upgrades.ts';

/** Of the daemon that runs now. */
function childOf(lineage: Lineage): number {
  return Number(
    fs.readFileSync(`/proc/${lineage.pid}/task/${lineage.pid}/children`, 'latin1').trim().split(' ').at(-1),
  );
}

describe('tocsin supervise', () => {
  it('starts a daemon again that was killed; senders and clients wait, and what is in the FIFO stays there', async () => {
    const lineage = new Lineage('supervise');
    const { root, events, admin } = lineage;
    await lineage.ready();
    for (let round = 1; round <= 3; round += 1) {
      const child = childOf(lineage);
      process.kill(child, 'SIGKILL');
      await waitFor(() => !isRunning(child), 'the daemon to be dead');
      const sent = tocsin(['send', 'container', 'c1', 'START', '--root', root]);
      const pings = [events, admin].map((socket) => call(socket, '/_ping'));
      assert.equal((await sent).code, 0);
      for (const ping of pings) assert.equal((await ping).status, 200);
      await waitFor(async () => (await statsOf(lineage)).headSeq === round, 'the record');
    }
    assert.match(lineage.log, /the daemon died of SIGKILL; starting it again in 100 ms/);
    // Nothing of the actors is in the parent.
    const threads = fs
      .readdirSync(`/proc/${lineage.pid}/task`)
      .map((thread) => fs.readFileSync(`/proc/${lineage.pid}/task/${thread}/comm`, 'latin1'));
    assert.ok(threads.length < 16, threads.join());
    const child = childOf(lineage);
    process.kill(lineage.pid, 'SIGHUP');
    await waitFor(() => lineage.log.includes('SIGHUP: no option has changed'), 'SIGHUP to be passed on');
    assert.equal(await lineage.stop(), 0);
    assert.equal(isRunning(child), false);
    assert.equal(fs.existsSync(events), false);
  });

  it('gives up, and says why, when the daemon cannot live, and does not start it again when it was started wrongly', async () => {
    const broken = new Lineage('supervise');
    await broken.ready();
    fs.writeFileSync(path.join(broken.root, 'config.toml'), 'no-such-option = 1\n');
    process.kill(childOf(broken), 'SIGKILL');
    assert.equal(await broken.exited, 78);
    assert.match(broken.log, /the daemon ended with 78: what it was given is wrong, so it is not started again/);
    await broken.stop();

    const dying = new Lineage('supervise');
    await dying.ready();
    fs.rmSync(path.join(dying.root, 'history'), { recursive: true });
    fs.writeFileSync(path.join(dying.root, 'history'), 'no folder');
    process.kill(childOf(dying), 'SIGKILL');
    assert.equal(await dying.exited, 1);
    assert.match(dying.log, /the daemon died 6 times within 300 s, last of 1 \(ERR_DAEMON_DYING\)/);
    await dying.stop();
  });

  it('starts a daemon when a successor fails once there is no daemon before it any more', async () => {
    const lineage = new Lineage('supervise');
    await lineage.ready();
    const history = path.join(lineage.root, 'history');
    // Of no matter for the daemon that has it, and refused by the next one.
    fs.chmodSync(history, 0o777);
    process.kill(lineage.pid, 'SIGUSR2');
    await waitFor(
      () => lineage.log.includes('the daemon died of 1; starting it again in 100 ms'),
      'the successor to fail',
    );
    fs.chmodSync(history, 0o700);
    await lineage.ready(2);
    assert.equal(await lineage.stop(), 0);
  });

  it('takes its daemon with it, which ends in order, also when it is killed', async () => {
    const lineage = new Lineage('supervise');
    await lineage.ready();
    const child = childOf(lineage);
    process.kill(lineage.pid, 'SIGKILL');
    await waitFor(() => !isRunning(child), 'the daemon to end');
    assert.match(lineage.log, /the parent process has gone: draining/);
    await lineage.stop();
  });
});
