import { constants } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import { asTocsinError } from '../event/errors.ts';
import type { ServerTlsFiles } from '../event/tls-files.ts';
import type { Counters } from '../messages/counters.ts';
import { readPemFiles } from './pem-files.ts';

/** A connection that does not know by then whom it is with is ended. */
const HANDSHAKE_LIMIT_MS = 10_000;
/** Of one listener on one shard, at a time. */
const MAX_HANDSHAKES = 512;
/** A client that speaks both gets HTTP/1.1: over HTTP/2 there is nothing but iSulad's service, whose clients speak nothing else. */
const PROTOCOLS = ['http/1.1', 'h2'];

/** Makes TLS connections of TCP connections, for one listener. With a `ca` only with those who show a certificate of it. */
export class TlsHandshakes {
  readonly #files: ServerTlsFiles;
  readonly #counters: Counters;
  readonly #server: tls.Server;
  /** By the address of the other end, which the sockets of both layers know. */
  readonly #running = new Map<string, net.Socket>();

  /** @throws ERR_LISTENER_TLS */
  constructor(files: ServerTlsFiles, counters: Counters, onSecure: (socket: tls.TLSSocket) => void) {
    this.#files = files;
    this.#counters = counters;
    this.#server = tls.createServer(
      {
        ...serverOptions(files),
        ALPNProtocols: PROTOCOLS,
        handshakeTimeout: HANDSHAKE_LIMIT_MS,
        requestCert: files.ca !== undefined,
        rejectUnauthorized: true,
      },
      (socket) => {
        this.#running.delete(addressOf(socket));
        // Both hold by now; were it otherwise, everything would be open.
        if (files.ca === undefined || (socket.authorized && socket.getPeerCertificate().raw)) onSecure(socket);
        else this.#fail(socket);
      },
    );
    this.#server.on('tlsClientError', (_, socket) => this.#fail(socket));
  }

  /** Begins a handshake; it ends with `onSecure`, or the connection does. */
  accept(socket: net.Socket): void {
    if (this.#running.size >= MAX_HANDSHAKES) return this.#fail(socket);
    const address = addressOf(socket);
    this.#running.set(address, socket);
    socket.once('close', () => {
      if (this.#running.get(address) === socket) this.#running.delete(address);
    });
    this.#server.emit('connection', socket);
  }

  /** Takes the files as they are now, for connections that come from now on. @throws ERR_LISTENER_TLS; then all stays as it was */
  reload(): void {
    this.#server.setSecureContext(serverOptions(this.#files));
  }

  /** Ends the connections that are no further. */
  close(): void {
    for (const socket of this.#running.values()) socket.destroy();
  }

  #fail(socket: net.Socket): void {
    this.#counters.add('handshakesFailed');
    socket.destroy();
  }
}

function addressOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** @throws ERR_LISTENER_TLS */
export function serverOptions(files: ServerTlsFiles): tls.SecureContextOptions {
  try {
    // Who it is with was found out once, and stays so.
    return { ...readPemFiles(files), secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
  } catch (error) {
    throw asTocsinError(error, 'ERR_LISTENER_TLS');
  }
}
