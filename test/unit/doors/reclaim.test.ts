import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { descriptorOf, inodeOf } from '../../../src/doors/descriptor.ts';
import { Inherited } from '../../../src/doors/inherited.ts';
import { bindListener, type Listener } from '../../../src/doors/listener.ts';
import { loadPosix } from '../../../src/doors/posix.ts';
import { deafenSockets, reclaimDescriptors } from '../../../src/doors/reclaim.ts';
import { bindTcpListener } from '../../../src/doors/tcp-listener.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { freePort } from '../../support/remote.ts';

describe('what a dead shard left open', () => {
  const root = temporaryFolder();
  after(() => fs.rmSync(root, { recursive: true, force: true }));
  const isOpen = (fd: number): boolean => fs.existsSync(`/proc/self/fd/${fd}`);

  it('is closed where it listens, on a path or a port, and nothing else is', async () => {
    const port = await freePort();
    const listeners: readonly Listener[] = [
      await bindListener(path.join(root, 'x.sock'), { mode: 0o600 }),
      await bindTcpListener({ host: '127.0.0.1', port, limit: [] }, Inherited.none()),
    ];
    const left = listeners.map((listener) => listener.duplicate());
    const kept = listeners.map((listener) => listener.duplicate());
    const client = net.connect(port, '127.0.0.1');
    await new Promise((resolve) => client.once('connect', resolve));
    const fd = descriptorOf(client)!;
    reclaimDescriptors(7, [...left, fd]);
    assert.deepEqual(left.map(isOpen), [false, false]);
    assert.deepEqual([...kept, fd].map(isOpen), [true, true, true]);
    client.destroy();
    for (const one of kept) fs.closeSync(one);
    for (const listener of listeners) listener.close();
  });

  it('is not read any more where it hung, and no other socket that has got a number is touched', async () => {
    const posix = await loadPosix();
    const server = net.createServer().listen(path.join(root, 'y.sock'));
    const connected = async (): Promise<readonly [client: net.Socket, accepted: net.Socket]> => {
      const client = net.connect(path.join(root, 'y.sock'));
      const [accepted] = (await once(server, 'connection')) as [net.Socket];
      return [client, accepted];
    };
    const [client, accepted] = await connected();
    const [other, otherAccepted] = await connected();
    const [fd, otherFd] = [descriptorOf(accepted)!, descriptorOf(otherAccepted)!];
    client.on('error', () => {}).write('a request');
    deafenSockets(posix, [
      { fd, inode: inodeOf(fd)! },
      { fd: otherFd, inode: inodeOf(otherFd)! + 1 },
      { fd: 60_000, inode: 1 },
    ]);
    const read: Buffer[] = [];
    accepted.on('data', (bytes: Buffer) => read.push(bytes));
    await Promise.all([accepted, client.resume()].map((each) => new Promise((resolve) => each.once('close', resolve))));
    assert.deepEqual(read, []);
    other.write('another');
    assert.equal(String((await once(otherAccepted, 'data'))[0]), 'another');
    other.destroy();
    server.close();
  });
});
