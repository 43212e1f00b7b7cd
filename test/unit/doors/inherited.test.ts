import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { openFifo } from '../../../src/doors/fifo.ts';
import { type HandedDown, HANDED_DOWN, Inherited } from '../../../src/doors/inherited.ts';
import { bindListener } from '../../../src/doors/listener.ts';
import type { Posix } from '../../../src/doors/posix.ts';
import { temporaryFolder } from '../../support/daemon.ts';

const PID = 42;
/** Where sockets are bound; nothing here is handed down in earnest. */
const posix = {
  closeOnExec: () => 0,
  boundPath: (fd: number) => (fd === 4 ? '/run/a.sock' : undefined),
} as unknown as Posix;

function countOf(env: Record<string, string | undefined>): number {
  return Inherited.take(env, PID, posix).count;
}

describe('descriptors that are handed down', () => {
  it('are those that LISTEN_FDS counts, for the process that LISTEN_PID names', () => {
    assert.equal(countOf({ LISTEN_PID: '42', LISTEN_FDS: '3', LISTEN_FDNAMES: 'fifo:a:b' }), 3);
    assert.equal(countOf({ LISTEN_PID: '41', LISTEN_FDS: '3' }), 0);
    assert.equal(countOf({ LISTEN_FDS: '3' }), 0);
    for (const LISTEN_FDS of ['', '0', '-1', 'x', '1.5']) assert.equal(countOf({ LISTEN_PID: '42', LISTEN_FDS }), 0);
    assert.equal(countOf({}), 0);
  });

  it('are those that a process of ours names, which cannot know the pid', () => {
    const env = {
      [HANDED_DOWN]: JSON.stringify({
        descriptors: [{ path: '/run/fifo', isKept: false }],
        hasPredecessor: true,
        hasParent: false,
      }),
    };
    const inherited = Inherited.take(env, PID, posix);
    assert.deepEqual([inherited.count, inherited.hasPredecessor, inherited.hasParent], [1, true, false]);
  });

  it('are announced to this process and to none that it starts', () => {
    const env: Record<string, string | undefined> = {
      LISTEN_PID: '41',
      LISTEN_FDS: '1',
      LISTEN_FDNAMES: 'x',
      HOME: '/',
    };
    Inherited.take(env, PID, posix);
    assert.deepEqual(env, { HOME: '/' });
  });

  describe('serve', () => {
    const root = temporaryFolder();
    const file = (name: string): string => path.join(root, name);
    after(() => fs.rmSync(root, { recursive: true, force: true }));

    /** What a process takes for each of these paths that was given a FIFO and a socket, and what is left of them. */
    async function taken(
      env: Record<string, string>,
      fifos: readonly string[],
      sockets: readonly string[],
    ): Promise<unknown> {
      const code = `
        const { Inherited } = await import(${JSON.stringify(new URL('../../../src/doors/inherited.js', import.meta.url))});
        const { loadPosix } = await import(${JSON.stringify(new URL('../../../src/doors/posix.js', import.meta.url))});
        const all = Inherited.take(process.env, process.pid, await loadPosix());
        const [fifos, sockets] = JSON.parse(process.argv[1]);
        const found = [...fifos.map((path) => all.takeFifo(path)), ...sockets.map((path) => all.takeSocket(path))];
        console.log(JSON.stringify({ fds: found.map((one) => one?.fd ?? null), rest: all.closeRest() }));`;
      const fifo = await openFifo(file('fifo'));
      const listener = await bindListener(file('a.sock'), { mode: 0o600 });
      try {
        const { stdout, stderr } = spawnSync(
          '/bin/sh',
          ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', code].concat(
            JSON.stringify([fifos, sockets]),
          ),
          {
            stdio: ['ignore', 'pipe', 'pipe', fifo.fd, listener.fd],
            encoding: 'utf8',
            env: { ...process.env, ...env },
          },
        );
        return stderr || (JSON.parse(stdout) as unknown);
      } finally {
        fifo.close();
        listener.close();
      }
    }
    const ours = (): Record<string, string> => ({
      [HANDED_DOWN]: JSON.stringify({
        descriptors: ['fifo', 'a.sock'].map((name) => ({ path: file(name), isKept: false })),
        hasPredecessor: false,
        hasParent: false,
      } satisfies HandedDown),
    });

    it('each the path that it is for, once', async () => {
      const paths = [
        [file('fifo'), file('fifo')],
        [file('a.sock'), file('a.sock')],
      ] as const;
      assert.deepEqual(await taken(ours(), ...paths), { fds: [3, null, 4, null], rest: [] });
    });

    it('a socket’s path whatever way its folder is named, and no other path', async () => {
      fs.symlinkSync(root, file('link'));
      assert.deepEqual(await taken(ours(), [file('link/fifo')], [file('b.sock'), file('link/a.sock')]), {
        fds: [3, null, 4],
        rest: [],
      });
    });

    it('no FIFO that another one has replaced', async () => {
      const { status } = spawnSync('mkfifo', [file('other')]);
      assert.equal(status, 0);
      assert.deepEqual(await taken(ours(), [file('other')], []), { fds: [null], rest: [file('fifo'), file('a.sock')] });
    });

    it('no socket whose announced place is not where it was bound, without a word of ours', async () => {
      const rest = (await taken({ LISTEN_FDS: '2' }, [file('fifo')], [file('a.sock')])) as {
        readonly fds: readonly (number | null)[];
      };
      assert.deepEqual(rest.fds, [3, null]);
    });
  });
});
