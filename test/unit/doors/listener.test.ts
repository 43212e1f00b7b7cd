import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { accountNumber } from '../../../src/doors/accounts.ts';
import { bindListener, type SocketAccess } from '../../../src/doors/listener.ts';
import { temporaryFolder, waitFor } from '../../support/daemon.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

describe('a listening socket', () => {
  let root = '';
  let file = '';
  let sockets = 0;
  before(() => {
    root = temporaryFolder();
    fs.chmodSync(root, 0o777);
  });
  after(() => fs.rmSync(root, { recursive: true, force: true }));
  beforeEach(() => (file = path.join(root, `${(sockets += 1)}.sock`)));

  /** What the file says while somebody listens; nothing else may be left in the folder then, and nothing at all behind it. */
  async function statOf(access: SocketAccess): Promise<fs.Stats> {
    const listener = await bindListener(file, access);
    try {
      assert.deepEqual(fs.readdirSync(root), [path.basename(file)]);
      return fs.statSync(file);
    } finally {
      listener.close();
      assert.deepEqual(fs.readdirSync(root), []);
    }
  }

  it('has exactly the mode that it is given, whatever the process makes files with', async () => {
    for (const umask of [0o000, 0o077]) {
      const before = process.umask(umask);
      try {
        for (const mode of [0o660, 0o600, 0o666]) assert.equal((await statOf({ mode })).mode & 0o7777, mode);
      } finally {
        process.umask(before);
      }
    }
  });

  it('belongs to the group that it is given, by number or by name', async () => {
    const gid = process.getgid?.() ?? 0;
    assert.equal((await statOf({ mode: 0o660, group: String(gid) })).gid, gid);
    if (!isRoot) return;
    const stat = await statOf({ mode: 0o660, group: 'daemon', owner: String(NOBODY) });
    assert.deepEqual([stat.gid, stat.uid], [accountNumber('daemon', '/etc/group'), NOBODY]);
  });

  it('cannot be reached by anybody before it is what it should be', async () => {
    // The only name that there is before is in a folder that nobody else can enter.
    const watched: number[] = [];
    const rename = fs.renameSync;
    fs.renameSync = (from, to) => {
      watched.push(fs.statSync(path.dirname(String(from))).mode & 0o777, fs.statSync(from).mode & 0o777);
      assert.equal(fs.existsSync(file), false);
      rename(from, to);
    };
    try {
      await statOf({ mode: 0o640 });
    } finally {
      fs.renameSync = rename;
    }
    assert.deepEqual(watched, [0o700, 0o640]);
  });

  it('is refused for a group that nobody knows, and one that it may not be given to', async () => {
    await assert.rejects(bindListener(file, { mode: 0o660, group: 'no-such-group' }), {
      code: 'ERR_OPTION_INVALID',
      message: 'listen: expected a name in /etc/group, or a number; got "no-such-group"',
    });
    assert.deepEqual(fs.readdirSync(root), []);
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      await assert.rejects(bindListener(file, { mode: 0o660, group: '1' }), {
        code: 'ERR_SOCKET_UNUSABLE',
        message: `${file} cannot be given to group 1; only root gives to anybody`,
      });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    assert.deepEqual(fs.readdirSync(root), []);
  });

  it('takes the place of one that nobody serves, and of nothing else', async () => {
    const first = await bindListener(file, { mode: 0o660 });
    const server = net.createServer((socket) => socket.destroy()).listen({ fd: first.duplicate() });
    await waitFor(() => server.listening, 'the server');
    await assert.rejects(bindListener(file, { mode: 0o660 }), { code: 'ERR_SOCKET_UNUSABLE', message: /already/ });
    await new Promise((resolve) => server.close(resolve));
    // As a process leaves it behind that is killed.
    fs.linkSync(file, `${file}.left`);
    first.close();
    fs.renameSync(`${file}.left`, file);
    const second = await bindListener(file, { mode: 0o600 });
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    second.close();
    fs.writeFileSync(file, '');
    await assert.rejects(bindListener(file, { mode: 0o660 }), { code: 'ERR_SOCKET_UNUSABLE', message: /not a socket/ });
    fs.rmSync(file);
  });
});

describe('the number of an account', () => {
  it('stands in a file of names, or is given', () => {
    const root = temporaryFolder();
    const file = path.join(root, 'group');
    fs.writeFileSync(file, 'web:x:2000:a,b\nbroken\nlate:x:\n# web:x:1\nconstructor:x:7:\n');
    try {
      assert.equal(accountNumber('web', file), 2000);
      assert.equal(accountNumber('constructor', file), 7);
      assert.equal(accountNumber('3', file), 3);
      for (const unknown of ['we', 'broken', 'late', '2001x', '4294967295'])
        assert.throws(() => accountNumber(unknown, file), { code: 'ERR_OPTION_INVALID' }, unknown);
      assert.throws(() => accountNumber('web', path.join(root, 'none')), { code: 'ERR_OPTION_INVALID' });
    } finally {
      fs.rmSync(root, { recursive: true });
    }
  });
});
