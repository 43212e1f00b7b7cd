import fs from 'node:fs';
import type { Command } from 'commander';
import type { ClientTls } from '../client/address.ts';
import { TocsinError } from '../event/errors.ts';

/** Flags of a command that connects over TLS, called as Docker calls them. */
export interface TlsFlags {
  readonly tls?: boolean;
  readonly tlsverify?: boolean;
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

export function addTlsFlags(command: Command): Command {
  return command
    .option('--tls', 'Connect to tcp:// over TLS; so does each of the following. The daemon is always checked')
    .option('--tlsverify', 'The same')
    .option('--tlscacert <file>', 'Certificates of those whom to believe who the daemon is; default: those of Node')
    .option('--tlscert <file>', 'Certificate to show to the daemon')
    .option('--tlskey <file>', 'Key of that certificate');
}

/** What the flags say; undefined without any. @throws ERR_OPTION_INVALID, ERR_FILE_UNREADABLE */
export function tlsOf({ tls, tlsverify, tlscacert, tlscert, tlskey }: TlsFlags): ClientTls | undefined {
  if ((tlscert === undefined) !== (tlskey === undefined))
    throw new TocsinError('ERR_OPTION_INVALID', 'tls: expected tlscert and tlskey together');
  if (!tls && !tlsverify && tlscacert === undefined && tlscert === undefined) return undefined;
  return {
    ...(tlscacert === undefined ? {} : { ca: read(tlscacert) }),
    ...(tlscert === undefined ? {} : { cert: read(tlscert) }),
    ...(tlskey === undefined ? {} : { key: read(tlskey) }),
  };
}

function read(path: string): Buffer {
  let pem: Buffer;
  try {
    pem = fs.readFileSync(path);
  } catch (cause) {
    throw new TocsinError('ERR_FILE_UNREADABLE', (cause as Error).message, { cause });
  }
  if (!pem.includes('-----BEGIN ')) throw new TocsinError('ERR_FILE_UNREADABLE', `${path} is no PEM file`);
  return pem;
}
