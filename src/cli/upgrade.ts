import type { ChildProcess } from 'node:child_process';
import type { OpenPipeline } from '../doors/open-pipeline.ts';
import type { ServiceManager } from '../doors/service-manager.ts';
import { reportError } from './exit.ts';
import { booted, type Legacy, letGo, spawnDaemon } from './successor.ts';

/** For clients that still have to read: the others wait, and so does whoever writes into the FIFO once that is full. */
const BRIEF_MS = 500;

/** A daemon that could take over. */
export interface Successor {
  readonly child: ChildProcess;
  readonly sockets: readonly string[];
}

/** Answers SIGUSR2: starts the successor of this daemon, as a child that has its sockets and its FIFO. */
export class Upgrade {
  readonly #log: (message: string) => void;
  /** Why there can be no successor; empty when there can be one. */
  #why = 'it is still starting';
  #open: OpenPipeline | undefined;
  #manager: ServiceManager | undefined;
  #child: ChildProcess | undefined;
  #resolve!: (successor: Successor) => void;
  /** Resolves once there is one; until then, and if there never is, this daemon goes on. */
  readonly successor: Promise<Successor>;

  constructor(log: (message: string) => void) {
    this.#log = log;
    this.successor = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** From now on there can be a successor. @param why not, unless it is empty */
  begin(open: OpenPipeline, manager: ServiceManager, why: string): void {
    this.#open = open;
    this.#manager = manager;
    this.#why = why;
  }

  request(): void {
    const why = this.#child ? 'a successor is starting already' : this.#why;
    if (why !== '' || !this.#open) return this.#log(`SIGUSR2 ignored: ${why}`);
    void this.#start(this.#open);
  }

  /** This daemon ends for another reason: whoever has been started goes, and nobody is started any more. */
  abandon(): void {
    this.#why = 'it is ending';
    // It has nothing yet that would have to be ended in order.
    this.#child?.kill('SIGKILL');
  }

  async #start(open: OpenPipeline): Promise<void> {
    this.#manager?.reloading('starting a successor');
    const child = spawnDaemon(process.argv.slice(3), legaciesOf(open), {
      hasPredecessor: true,
      hasParent: false,
      outlivesUs: true,
    });
    this.#child = child;
    this.#log(`SIGUSR2: starting a successor, process ${child.pid}`);
    try {
      this.#resolve({ child, sockets: await booted(child) });
    } catch (error) {
      this.#child = undefined;
      if (this.#why !== '') return;
      reportError(error);
      this.#log('SIGUSR2: this daemon goes on');
      this.#manager?.ready('running');
    }
  }

  /**
   * Ends the pipeline and leaves everything to the successor. Clients end, with everything that was accepted if they read it at
   * once, and come back to the same socket, where they wait for the successor; what is in the FIFO stays there for it.
   */
  async handOver(open: OpenPipeline, { child, sockets }: Successor): Promise<void> {
    this.#why = 'it is ending';
    // Before anything ends: whatever becomes of this process from now on, the other one is the service.
    this.#manager?.mainPid(child.pid!);
    for (const listener of open.listeners) if (sockets.includes(listener.path)) listener.leave();
    try {
      await open.stopListening(BRIEF_MS);
      await open.pipeline.handOver(BRIEF_MS);
    } finally {
      letGo(child, () => child.disconnect());
      child.unref();
    }
  }
}

function legaciesOf({ fifo, listeners }: OpenPipeline): Legacy[] {
  return [...(fifo ? [{ path: fifo.path, fd: fifo.fd, isKept: false }] : []), ...listeners];
}
