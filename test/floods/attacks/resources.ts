import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import type { Flood, Place } from '../flood.ts';
import { areAnswered, atRate, closed, Count, get, pause, speak, until } from '../raw-client.ts';

const CGROUPS = '/sys/fs/cgroup';
const CGROUP_BYTES = 256 * 1024 * 1024;
const DISK = '24m';
const FILLER_BYTES = 8 * 1024 * 1024;
const DESCRIPTORS = 256;

function command(name: string, ...args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function setDescriptors(pid: number, limit: number): void {
  command('prlimit', '--pid', String(pid), `--nofile=${limit}:`);
}

function withoutRoot(what: string): string | undefined {
  return process.getuid?.() === 0 ? undefined : `${what} needs root`;
}

export const descriptors: Flood = {
  name: 'descriptors',
  about: `more connections than a daemon with ${DESCRIPTORS} descriptors has; then a moment in which it has none at all`,
  long: { count: 2_000, seconds: 10, rate: 500 },
  short: { count: 300, seconds: 0.5, rate: 500 },
  place: () => ({ prefix: ['prlimit', `--nofile=${DESCRIPTORS}`], release() {} }),
  async attack({ events, pid }, { count, seconds, rate }) {
    const tally = new Count();
    const sockets: net.Socket[] = [];
    const ask = (): void => {
      const socket = speak(events, get('/v1/events'), tally);
      socket.resume();
      sockets.push(socket);
    };
    const leave = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(sockets.splice(0).map(closed));
    };
    await atRate(rate, count / rate, ask);
    await until(() => areAnswered(count, tally));
    await pause(seconds * 1000);
    await leave();
    await pause(1000);
    const [limit = ''] = /(?<=Max open files\s+)\d+/.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
    // Below all that are in use: also the one that libuv keeps in reserve, to accept and close what it cannot serve, is no help then.
    setDescriptors(pid, 3);
    const before = tally.get('http 200');
    for (let index = 0; index < 20; index += 1) ask();
    // It looks every second whether there is a descriptor.
    await pause(2500);
    tally.add('answered without descriptors', tally.get('http 200') - before);
    setDescriptors(pid, Number(limit));
    await until(() => tally.get('http 200') === before + 20);
    tally.add('answered afterwards', tally.get('http 200') - before);
    await leave();
    return tally.all;
  },
  check(counted, tally) {
    assert.ok(counted['connectionsRefused']! > 0, 'connections were refused');
    assert.ok(counted['acceptPauses']! > 0, 'accept paused');
    assert.equal(tally['answered afterwards'], 20);
  },
};

export const disk: Flood = {
  name: 'disk',
  about: `publishers fill a disk of ${DISK}, which has room again later`,
  long: { count: 0, seconds: 20, rate: 0 },
  short: { count: 0, seconds: 1, rate: 0 },
  flags: ['--memory-bytes', '8MiB'],
  lacking: () => withoutRoot('to mount a small disk'),
  place: (root): Place => {
    const folder = path.join(root, 'history');
    fs.mkdirSync(folder);
    command('mount', '-t', 'tmpfs', '-o', `size=${DISK},mode=0700`, 'tmpfs', folder);
    fs.writeFileSync(path.join(folder, 'filler'), Buffer.alloc(FILLER_BYTES));
    return { prefix: [], release: () => command('umount', '-l', folder) };
  },
  async attack({ admin, events }, { seconds }) {
    const tally = new Count();
    const line = `${JSON.stringify({ type: 'container', action: 'start', id: 'flood', attributes: { pad: 'x'.repeat(200) } })}\n`;
    const body = line.repeat(2_000);
    const request = `POST /v1/events HTTP/1.1\r\nHost: tocsin\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const isReady = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = speak(events, get('/readyz', 'Connection: close\r\n'), new Count());
        socket.once('data', (piece: Buffer) => resolve(piece.toString('latin1').startsWith('HTTP/1.1 200')));
      });
    const publisher = speak(admin, request, tally);
    let isFull = false;
    publisher.on('data', () => {
      tally.add('answers');
      if (!isFull) publisher.write(request);
    });
    await until(async () => !(await isReady()));
    isFull = true;
    tally.add('not ready', 1);
    await pause(seconds * 1000);
    fs.rmSync(path.join(path.dirname(admin), 'history', 'filler'));
    await until(isReady);
    tally.add('ready again', (await isReady()) ? 1 : 0);
    publisher.destroy();
    await closed(publisher);
    return tally.all;
  },
  check(counted, tally) {
    assert.ok(counted['historyErrors']! > 0, 'the disk was full');
    assert.equal(tally['ready again'], 1);
  },
};

/** Where groups can be made that have a limit of memory, and the file that says it: of version 2 or of version 1. */
function memoryCgroup(): { readonly parent: string; readonly limit: string } | undefined {
  const own = path.join(CGROUPS, 'memory');
  if (fs.existsSync(path.join(own, 'memory.limit_in_bytes'))) return { parent: own, limit: 'memory.limit_in_bytes' };
  const controllers = path.join(CGROUPS, 'cgroup.subtree_control');
  const isV2 = fs.existsSync(controllers) && fs.readFileSync(controllers, 'utf8').includes('memory');
  return isV2 ? { parent: CGROUPS, limit: 'memory.max' } : undefined;
}

export const memory: Flood = {
  name: 'memory',
  about: 'subscribers that never read, and publishers, with 256 MiB for all of the daemon',
  long: { count: 2_000, seconds: 30, rate: 0 },
  short: { count: 200, seconds: 1, rate: 0 },
  lacking: () =>
    withoutRoot('to limit memory') ?? (memoryCgroup() ? undefined : 'there is no cgroup that limits memory'),
  place: (): Place => {
    const { parent, limit } = memoryCgroup()!;
    const folder = path.join(parent, `tocsin-floods-${process.pid}`);
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, limit), String(CGROUP_BYTES));
    return {
      prefix: ['sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
      release: () => fs.rmdirSync(folder),
    };
  },
  async attack({ events, admin }, { count, seconds }) {
    const tally = new Count();
    const line = `${JSON.stringify({ type: 'container', action: 'start', id: 'flood', attributes: { pad: 'x'.repeat(200) } })}\n`;
    const body = line.repeat(500);
    const request = `POST /v1/events HTTP/1.1\r\nHost: tocsin\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const sockets: net.Socket[] = [];
    await atRate(1_000, count / 1_000, () => {
      const socket = speak(events, get('/v1/events'), tally);
      socket.pause();
      sockets.push(socket);
    });
    const publisher = speak(admin, request, tally);
    publisher.on('data', () => {
      tally.add('answers');
      setTimeout(() => publisher.write(request), 20);
    });
    sockets.push(publisher);
    await pause(seconds * 1000);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(closed));
    return tally.all;
  },
  check: (counted, tally) => {
    assert.ok(counted['clientsAttached']! > 0);
    assert.ok(tally['answers']! > 0);
  },
};
