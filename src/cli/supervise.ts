import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Command } from 'commander';
import { openFifo } from '../doors/fifo.ts';
import { Inherited } from '../doors/inherited.ts';
import { openListener } from '../doors/open-listener.ts';
import { parseAdmins } from '../event/admin-address.ts';
import { TocsinError } from '../event/errors.ts';
import { parseListeners } from '../event/listener-address.ts';
import { isDurable, type Options } from '../event/options.ts';
import { Restarts } from '../runtime/restarts.ts';
import { EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, EXIT_USAGE, reportError } from './exit.ts';
import { makeFolder } from './paths.ts';
import { addOptionFlags, type Flags, serveOptions } from './serve-options.ts';
import { booted, type Legacy, letGo, spawnDaemon } from './successor.ts';

/** What a daemon may take to end beyond its drain timeout. */
const END_MARGIN_MS = 60_000;
/** Deaths of the daemon that are borne, within so long. */
const MAX_DEATHS = 5;
const WINDOW_MS = 300_000;
const LIVED_MS = 10_000;
const DAEMON = 'daemon';

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Such an end is not mended by another start: it was wanted, or what was asked for is wrong. */
export function isFinal({ code }: Ending): boolean {
  return code === EXIT_OK || code === EXIT_USAGE || code === EXIT_CONFIG;
}

export function addSuperviseCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const command = program
    .command('supervise')
    .description(
      'Run the daemon as a child: start it again when it dies, and keep its sockets and its FIFO open meanwhile',
    );
  addOptionFlags(command).action((flags: Flags) => run(() => supervise(flags)));
}

async function supervise(flags: Flags): Promise<number> {
  const { options } = serveOptions(flags, log);
  const opened = await openLegacies(options);
  try {
    return await new Supervisor(options, opened.legacies).ended;
  } finally {
    opened.close();
  }
}

/** The parent of the daemon: it holds what must stay open, and does nothing that could make it die. */
class Supervisor {
  readonly #options: Options;
  readonly #legacies: readonly Legacy[];
  readonly #restarts = new Restarts({ max: () => MAX_DEATHS, windowMs: WINDOW_MS, livedMs: LIVED_MS });
  #daemon: ChildProcess | undefined;
  #successor: ChildProcess | undefined;
  #pause: NodeJS.Timeout | undefined;
  #isStopping = false;
  #end!: (code: number) => void;
  /** The exit code. */
  readonly ended: Promise<number>;

  constructor(options: Options, legacies: readonly Legacy[]) {
    this.#options = options;
    this.#legacies = legacies;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    process.on('SIGUSR1', () => log('SIGUSR1 ignored'));
    process.on('SIGHUP', () => this.#daemon?.kill('SIGHUP'));
    process.on('SIGUSR2', () => void this.#upgrade());
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop());
    this.#start();
  }

  #spawn(hasPredecessor: boolean): ChildProcess {
    const child = spawnDaemon(process.argv.slice(3), this.#legacies, { hasPredecessor, hasParent: true });
    child.once('error', (error) => log(`the daemon cannot be started: ${error.message}`));
    return child;
  }

  #start(): void {
    this.#pause = undefined;
    this.#attend(this.#spawn(false));
  }

  #attend(child: ChildProcess): void {
    this.#daemon = child;
    this.#restarts.begun(DAEMON, performance.now());
    let isGone = false;
    const gone = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (isGone) return;
      isGone = true;
      this.#onEnd({ code, signal });
    };
    child.once('exit', gone);
    child.once('error', () => gone(EXIT_FAILURE, null));
  }

  #onEnd(ending: Ending): void {
    const { code, signal } = ending;
    this.#daemon = undefined;
    if (this.#isStopping) return this.#end(code ?? EXIT_FAILURE);
    // A successor is on its way, and is told that there is no one before it any more.
    if (this.#successor) return;
    if (isFinal(ending)) {
      if (code !== EXIT_OK)
        log(`the daemon ended with ${code}: what it was given is wrong, so it is not started again`);
      return this.#end(code ?? EXIT_OK);
    }
    const waitMs = this.#restarts.delayMs(DAEMON, performance.now());
    if (waitMs === undefined) {
      const deaths = `${MAX_DEATHS + 1} times within ${WINDOW_MS / 1_000} s`;
      const error = new TocsinError('ERR_DAEMON_DYING', `the daemon died ${deaths}, last of ${code ?? signal}`);
      return this.#end(reportError(error));
    }
    log(`the daemon died of ${code ?? signal}; starting it again in ${waitMs} ms`);
    this.#pause = setTimeout(() => this.#start(), waitMs);
  }

  #stop(): void {
    this.#isStopping = true;
    clearTimeout(this.#pause);
    this.#successor?.kill('SIGKILL');
    if (this.#daemon) this.#daemon.kill('SIGTERM');
    else this.#end(EXIT_OK);
  }

  /** Starts a successor, and ends the daemon once that could take over. */
  async #upgrade(): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || this.#successor || this.#isStopping) return log('SIGUSR2 ignored: the daemon is starting or ending');
    if (!isDurable(this.#options))
      return log('SIGUSR2 ignored: there is no history on disk, so a successor would have nothing to go on with');
    log('SIGUSR2: starting a successor');
    const successor = this.#spawn(true);
    this.#successor = successor;
    try {
      await booted(successor);
    } catch (error) {
      this.#successor = undefined;
      if (this.#isStopping) return;
      reportError(error);
      if (this.#daemon) log('SIGUSR2: the daemon goes on');
      else this.#start();
      return;
    }
    await this.#terminate(daemon);
    this.#successor = undefined;
    if (this.#isStopping) return;
    letGo(successor);
    if (successor.exitCode === null && successor.signalCode === null) this.#attend(successor);
    else this.#onEnd({ code: successor.exitCode, signal: successor.signalCode });
  }

  /** Resolves when it has ended, by force if it has to be. */
  async #terminate(daemon: ChildProcess): Promise<void> {
    if (daemon !== this.#daemon) return;
    const limitMs = this.#options.drainTimeout + END_MARGIN_MS;
    const timer = setTimeout(() => daemon.kill('SIGKILL'), limitMs);
    await new Promise<void>((resolve) => {
      daemon.once('exit', () => resolve());
      daemon.kill('SIGTERM');
    });
    clearTimeout(timer);
  }
}

/** Opens what every daemon of this process is given. @throws as openFifo and bindListener */
async function openLegacies(options: Options): Promise<{ readonly legacies: readonly Legacy[]; close(): void }> {
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const each of closers.reverse()) each();
  };
  const sockets = [...parseListeners(options.listen), ...parseAdmins(options.admin)];
  const legacies: Legacy[] = [];
  try {
    const files = sockets.flatMap((socket) => ('path' in socket ? [socket.path] : []));
    for (const file of [options.fifo, ...files]) makeFolder(path.dirname(file));
    const fifo = await openFifo(options.fifo);
    closers.push(() => fifo.close());
    legacies.push({ path: fifo.path, fd: fifo.fd, isKept: true });
    for (const socket of sockets) {
      const listener = await openListener(socket, Inherited.none());
      closers.push(() => listener.close());
      legacies.push({ path: listener.path, fd: listener.fd, isKept: true });
    }
    return { legacies, close };
  } catch (error) {
    close();
    throw error;
  }
}

function log(message: string): void {
  process.stderr.write(`tocsin: supervise: ${message}\n`);
}
