import os from 'node:os';
import path from 'node:path';

/** Where the daemon and its clients meet when nothing else is said. */
export interface RunPaths {
  readonly fifo: string;
  readonly listen: string;
  readonly admin: string;
}

/** @param root one folder for everything; empty = /run/tocsin as root, the XDG run folder otherwise */
export function runPaths(root: string): RunPaths {
  const folder = root || defaultFolder();
  return {
    fifo: path.resolve(folder, 'monitord_fifo'),
    listen: path.resolve(folder, 'tocsin.sock'),
    admin: path.resolve(folder, 'admin.sock'),
  };
}

function defaultFolder(): string {
  if (process.geteuid?.() === 0) return '/run/tocsin';
  const { XDG_RUNTIME_DIR } = process.env;
  return XDG_RUNTIME_DIR
    ? path.join(XDG_RUNTIME_DIR, 'tocsin')
    : path.join(os.tmpdir(), `tocsin-${process.geteuid?.() ?? 0}`);
}
