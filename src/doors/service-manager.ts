import type { Posix } from './posix.ts';

type Environment = Record<string, string | undefined>;

const US_PER_MS = 1_000;
/** When the daemon does not work, it is asked again before the next turn. */
const ASK_AGAIN_MS = 1_000;
/** The manager's socket may be full for a moment. */
const TRIES = 50;
const TRY_AGAIN_MS = 10;

/**
 * systemd, or whoever else has given us a NOTIFY_SOCKET: is told how the daemon is, in the words of sd_notify(3). Without one
 * nothing is said to anybody.
 */
export class ServiceManager {
  readonly #posix: Posix;
  readonly #address: string;
  readonly #watchdogMs: number;
  readonly #report: (message: string) => void;

  private constructor(posix: Posix, address: string, watchdogMs: number, report: (message: string) => void) {
    this.#posix = posix;
    this.#address = address;
    this.#watchdogMs = watchdogMs;
    this.#report = report;
  }

  /** The one that the environment names. What is meant for this process alone is taken out of `env`. */
  static take(env: Environment, pid: number, posix: Posix, report: (message: string) => void): ServiceManager {
    const { NOTIFY_SOCKET = '', WATCHDOG_USEC, WATCHDOG_PID } = env;
    delete env['WATCHDOG_PID'];
    const isWatched = NOTIFY_SOCKET !== '' && (WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid));
    const watchdogMs = isWatched ? Math.floor(Number(WATCHDOG_USEC) / US_PER_MS) : 0;
    return new ServiceManager(posix, NOTIFY_SOCKET, watchdogMs > 0 ? watchdogMs : 0, report);
  }

  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`);
  }

  /** Until `ready`. */
  reloading(status: string): void {
    const us = process.hrtime.bigint() / 1_000n;
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${us}\nSTATUS=${status}`);
  }

  stopping(status: string): void {
    this.#tell(`STOPPING=1\nSTATUS=${status}`);
  }

  /** From now on another process is the service. */
  mainPid(pid: number): void {
    this.#tell(`MAINPID=${pid}`);
  }

  /** Gives the manager a descriptor to keep, which it hands down when it starts the service again. */
  store(name: string, fd: number): void {
    this.#tell(`FDSTORE=1\nFDNAME=${name}`, [fd]);
  }

  /** Says that the daemon works, twice as often as the manager wants to hear it, as long as `isWorking`. @returns ends that */
  watch(isWorking: () => Promise<boolean>): () => void {
    if (this.#watchdogMs === 0) return () => {};
    let timer: NodeJS.Timeout | undefined;
    let isEnded = false;
    const look = async (): Promise<void> => {
      const works = await isWorking().catch(() => false);
      if (isEnded) return;
      if (works) this.#tell('WATCHDOG=1');
      const turnMs = this.#watchdogMs / 2;
      timer = setTimeout(() => void look(), works ? turnMs : Math.min(turnMs, ASK_AGAIN_MS)).unref();
    };
    void look();
    return () => {
      isEnded = true;
      clearTimeout(timer);
    };
  }

  #tell(message: string, fds: readonly number[] = []): void {
    if (this.#address === '') return;
    const bytes = Buffer.from(message);
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (this.#posix.sendDatagram(this.#address, bytes, fds) === bytes.length) return;
      // What is not said now would be too late behind the end of this process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TRY_AGAIN_MS);
    }
    this.#report(`the service manager at ${this.#address} cannot be told ${message.split('\n')[0]}`);
  }
}
