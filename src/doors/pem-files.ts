import fs from 'node:fs';
import tls from 'node:tls';
import type { TlsFiles } from '../event/tls-files.ts';

/**
 * What a connection needs of these files, as they are now, for TLS 1.2 or newer.
 * @throws an error that says which of them cannot be read or is no PEM, or that they do not belong together
 */
export function readPemFiles(files: TlsFiles): tls.SecureContextOptions {
  const names = Object.keys(files) as (keyof TlsFiles)[];
  const pems = Object.fromEntries(names.map((name) => [name, readPem(name, files[name]!)]));
  const options: tls.SecureContextOptions = { ...pems, minVersion: 'TLSv1.2' };
  try {
    tls.createSecureContext(options);
    return options;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${Object.values(files).join(', ')}: ${why}`, { cause });
  }
}

function readPem(name: string, path: string): Buffer {
  const pem = fs.readFileSync(path);
  // Without this, a file of something else would count as no certificate at all.
  if (!pem.includes('-----BEGIN ')) throw new Error(`${path} (${name}) is no PEM file`);
  return pem;
}
