import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import type tls from 'node:tls';
import { type Answer, CHECKOUT } from './daemon.ts';

/** A file of test/vectors/tls. */
export function vector(name: string): string {
  return path.join(CHECKOUT, 'test/vectors/tls', `${name}.pem`);
}

/** Whom to believe, and what to show: a certificate of test/vectors/tls or, by its path without `.pem`, any other. */
export function shows(certificate?: string, ca = vector('ca')): tls.SecureContextOptions {
  const file =
    certificate === undefined || certificate.startsWith('/') ? certificate : vector(certificate).slice(0, -4);
  return {
    ca: fs.readFileSync(ca),
    ...(file === undefined ? {} : { cert: fs.readFileSync(`${file}.pem`), key: fs.readFileSync(`${file}-key.pem`) }),
  };
}

/** A port on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** One request over TLS, with the whole answer. @throws what the handshake says */
export function callOver(port: number, target: string, context: tls.SecureContextOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = https.get({ ...context, host: '127.0.0.1', port, path: target, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => {});
      response.once('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
          complete: response.complete,
        }),
      );
    });
    request.once('error', reject);
  });
}
