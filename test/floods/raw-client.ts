import net from 'node:net';

/** Counts by name. */
export class Count {
  readonly #counts: Record<string, number> = {};

  add(name: string, amount = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + amount;
  }

  get(name: string): number {
    return this.#counts[name] ?? 0;
  }

  get all(): Readonly<Record<string, number>> {
    return this.#counts;
  }
}

const CONNECT_ERRORS: readonly string[] = ['EAGAIN', 'ECONNREFUSED', 'EMFILE'];

/**
 * Opens a connection and says this at once. The count has `opened`, `ended`, `unanswered` (ended without a word), `failed` (not even
 * connected), and the status of the first answer as `http 200`.
 */
export function speak(path: string, words: string | Buffer, count: Count): net.Socket {
  const socket = net.connect(path);
  let isConnected = false;
  let hasAnswer = false;
  socket.once('connect', () => {
    isConnected = true;
    count.add('opened');
  });
  if (words.length > 0) socket.write(words);
  socket.once('data', (piece: Buffer) => {
    const status = /^HTTP\/1\.1 (\d+)/.exec(piece.toString('latin1'))?.[1];
    hasAnswer = status !== undefined;
    if (hasAnswer) count.add(`http ${status}`);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (!isConnected && CONNECT_ERRORS.includes(error.code ?? '')) count.add('failed');
  });
  socket.once('close', () => {
    if (isConnected) count.add('ended');
    if (isConnected && !hasAnswer) count.add('unanswered');
  });
  return socket;
}

/** Resolves when it is closed. */
export function closed(socket: net.Socket): Promise<void> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for this, at most 30 s: who attacks does not fail when it does not come, but tells what it saw. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition()) && performance.now() < deadline) await pause(20);
}

/** So many connections have been answered, or have ended, or could not be made. */
export function areAnswered(asked: number, count: Count): boolean {
  const answers = Object.entries(count.all).filter(([name]) => name.startsWith('http '));
  const others = count.get('unanswered') + count.get('failed');
  return answers.reduce((sum, [, times]) => sum + times, others) >= asked;
}

/** Calls this so many times a second, for so long; late calls are made up for. */
export async function atRate(perSecond: number, seconds: number, step: (index: number) => void): Promise<void> {
  const begun = performance.now();
  const all = Math.round(perSecond * seconds);
  for (let done = 0; done < all; ) {
    const due = Math.min(all, Math.ceil(((performance.now() - begun) / 1000) * perSecond));
    for (; done < due; done += 1) step(done);
    await pause(2);
  }
}

export function get(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: tocsin\r\n${more}\r\n`;
}
