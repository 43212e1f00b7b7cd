import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, MAIN, statsOf, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';
import { TestActivator, TestServiceManager } from './support/service-manager.ts';
import { Lineage } from './support/upgrades.ts';

describe('a service manager', () => {
  const folder = temporaryFolder();
  const manager = new TestServiceManager(folder);
  before(() => manager.begin());
  after(() => {
    manager.end();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('is told when the daemon is ready, reloads, works, hands over and stops, and is given the FIFO to keep', async () => {
    const lineage = new Lineage('serve', [], { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '200000' });
    await lineage.ready();
    const first = lineage.pid;
    const ready = await manager.hears('READY=1');
    assert.deepEqual([ready.text, ready.pid], ['READY=1\nSTATUS=running', first]);
    const stored = await manager.hears('FDSTORE=1');
    assert.deepEqual([stored.text, stored.files], ['FDSTORE=1\nFDNAME=fifo', [lineage.fifo]]);
    await waitFor(() => manager.told.filter(({ text }) => text === 'WATCHDOG=1').length >= 3, 'three beats');

    let heard = manager.told.length;
    process.kill(first, 'SIGHUP');
    assert.match((await manager.hears('RELOADING=1', heard)).text, /^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=.+$/);
    await manager.hears('READY=1', heard);

    heard = manager.told.length;
    await lineage.upgrade();
    const second = lineage.pid;
    assert.equal((await manager.hears('RELOADING=1', heard)).pid, first);
    const main = await manager.hears('MAINPID=', heard);
    assert.deepEqual([main.text, main.pid], [`MAINPID=${second}`, first]);
    assert.equal((await manager.hears('READY=1', heard)).pid, second);
    heard = manager.told.length;
    assert.equal((await manager.hears('WATCHDOG=1', heard)).pid, second);

    assert.equal(await lineage.stop(), 0);
    assert.deepEqual(
      manager.told.filter(({ text }) => text.startsWith('STOPPING=1')).map(({ pid }) => pid),
      [second],
    );
  });

  it('keeps sockets and FIFO over restarts: who writes or connects meanwhile waits, and is not refused', async () => {
    const root = temporaryFolder();
    const [fifo = '', events = '', admin = ''] = ['monitord_fifo', 'tocsin.sock', 'admin.sock'].map((name) =>
      path.join(root, name),
    );
    const systemd = new TestActivator([fifo, events, admin], [process.execPath, MAIN, 'serve', '--root', root]);
    try {
      await systemd.begin();
      for (let round = 1; round <= 3; round += 1) {
        // There is no daemon at all.
        assert.equal((await tocsin(['send', 'container', 'c1', 'START', '--root', root])).code, 0);
        const pings = [events, admin].map((socket) => call(socket, '/_ping'));
        const pid = await systemd.start();
        for (const ping of pings) assert.equal((await ping).status, 200);
        await waitFor(async () => (await statsOf({ admin })).headSeq === round, 'the record');
        process.kill(pid, 'SIGTERM');
        assert.equal(await systemd.ended(), 'ended 0');
        for (const file of [events, admin]) assert.ok(fs.lstatSync(file).isSocket(), file);
      }
    } finally {
      systemd.end();
      fs.rmSync(root, { recursive: true, force: true });
    }
  });
});
