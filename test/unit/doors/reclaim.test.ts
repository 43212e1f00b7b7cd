import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Inherited } from '../../../src/doors/inherited.ts';
import { bindListener, type Listener } from '../../../src/doors/listener.ts';
import { reclaimDescriptors } from '../../../src/doors/reclaim.ts';
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
    const { fd } = (client as unknown as { readonly _handle: { readonly fd: number } })._handle;
    reclaimDescriptors(7, [...left, fd]);
    assert.deepEqual(left.map(isOpen), [false, false]);
    assert.deepEqual([...kept, fd].map(isOpen), [true, true, true]);
    client.destroy();
    for (const one of kept) fs.closeSync(one);
    for (const listener of listeners) listener.close();
  });
});
