import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { socketPathOf } from '../client/address.ts';
import { TocsinError } from '../event/errors.ts';

/** Where the daemon and its clients meet when nothing else is said. */
export interface RunPaths {
  readonly fifo: string;
  readonly listen: string;
  readonly admin: string;
  readonly history: string;
}

/** Who asks. */
export interface User {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @param root one folder for everything; empty = /run/tocsin and /var/lib/tocsin for root, the XDG folders for others */
export function runPaths(root: string, user: User = { uid: process.geteuid?.() ?? 0, env: process.env }): RunPaths {
  const folder = root || defaultFolder(user);
  return {
    fifo: path.resolve(folder, 'monitord_fifo'),
    listen: path.resolve(folder, 'tocsin.sock'),
    admin: path.resolve(folder, 'admin.sock'),
    history: path.resolve(root || stateFolder(user), 'history'),
  };
}

/** The admin socket that flags name: `--host`, else in the folder of `--root`. @throws ERR_OPTION_INVALID */
export function adminSocketOf(flags: { readonly host?: string; readonly root?: string }): string {
  return flags.host ? socketPathOf(flags.host) : runPaths(flags.root ?? '').admin;
}

function defaultFolder({ uid, env }: User): string {
  if (uid === 0) return '/run/tocsin';
  const { XDG_RUNTIME_DIR } = env;
  return XDG_RUNTIME_DIR ? path.join(XDG_RUNTIME_DIR, 'tocsin') : path.join(os.tmpdir(), `tocsin-${uid}`);
}

/** What is to outlive the machine's next start. */
function stateFolder({ uid, env }: User): string {
  if (uid === 0) return '/var/lib/tocsin';
  return path.join(env['XDG_STATE_HOME'] ?? path.join(env['HOME'] ?? os.tmpdir(), '.local', 'state'), 'tocsin');
}

/** The folder of a socket or a FIFO, if it is missing. @throws ERR_SOCKET_UNUSABLE */
export function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o750 });
  } catch (cause) {
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `cannot create the folder ${folder}`, { cause });
  }
}
