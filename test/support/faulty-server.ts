import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { temporaryFolder } from './daemon.ts';

/** What a server does with one request. */
export type Answer = (socket: net.Socket, target: URL) => void;

export const EPOCH = 'testlog2';

/** A native line of the event with this number; `more` replaces fields. */
export function eventLine(seq: number, more: Readonly<Record<string, unknown>> = {}): string {
  const time = { time: `2026-05-10T09:20:34.${nine(seq)}Z`, timeNano: `1778404834${nine(seq)}` };
  const event = { seq, cursor: cursor(seq), ...time, type: 'container', action: 'start', id: 'c1', attributes: {} };
  return `${JSON.stringify({ ...event, ...more })}\n`;
}

export const cursor = (seq: number): string => `${EPOCH}-${seq}`;
export const heartbeatLine = (seq: number): string => `{"type":"heartbeat","cursor":"${cursor(seq)}"}\n`;
export const gapLine = (from: number, to: number): string =>
  `{"type":"gap","missed":${to + 1 - from},"from":${from},"to":${to},"reason":"retention","oldest":"${cursor(to)}"}\n`;

export const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
export const FINAL = '0\r\n\r\n';
export const chunk = (line: string): string => `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`;

/** A stream with these lines; without `end` it stays open. */
export function stream(lines: readonly string[], end: 'clean' | 'cut' | 'open' = 'clean'): Answer {
  return (socket) => {
    socket.write(HEAD + lines.map(chunk).join('') + (end === 'clean' ? FINAL : ''));
    if (end !== 'open') socket.end();
  };
}

/** These bytes, and then the connection is gone. */
export function bytes(text: string): Answer {
  return (socket) => socket.end(text);
}

export function refusal(status: number, code: string): Answer {
  const body = `${JSON.stringify({ message: `because of ${code}`, code })}\n`;
  return bytes(
    `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** A server that answers one request after the other as it is told, on a unix socket and a port of its own. */
export class FaultyServer {
  readonly host: string;
  /** What was asked for, in order. */
  readonly requests: URL[] = [];
  readonly sockets = new Set<net.Socket>();
  readonly #folder: string;
  readonly #server: net.Server;
  readonly #answers: Answer[];

  private constructor(answers: readonly Answer[]) {
    this.#answers = [...answers];
    this.#folder = temporaryFolder();
    this.host = `unix://${path.join(this.#folder, 's')}`;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  /** The last answer is given again and again. */
  static async open(...answers: readonly Answer[]): Promise<FaultyServer> {
    const server = new FaultyServer(answers);
    await server.listen(server.host.slice('unix://'.length));
    return server;
  }

  /** @param where a path, or 0 for a port that is free */
  async listen(where: string | 0): Promise<number> {
    await new Promise<void>((resolve) =>
      this.#server.listen(where === 0 ? { port: 0, host: '127.0.0.1' } : where, resolve),
    );
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** What was asked for: parameters but the heartbeat. */
  get queries(): string[] {
    return this.requests.map(({ searchParams }) => {
      searchParams.delete('heartbeat');
      return searchParams.toString();
    });
  }

  async closeListener(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.closeListener();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #accept(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.sockets.delete(socket));
    let head = '';
    const onData = (data: Buffer): void => {
      head += data.toString();
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      socket.resume();
      const target = new URL(head.split(' ', 2)[1] ?? '', 'http://server');
      this.requests.push(target);
      const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
      answer?.(socket, target);
    };
    socket.on('data', onData);
  }
}

function nine(value: number): string {
  return String(value).padStart(9, '0');
}
