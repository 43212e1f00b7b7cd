import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** Who is to be vouched for. */
export interface Subject {
  readonly cn: string;
  /** Lines of an OpenSSL section: `DNS.1 = web.example`. */
  readonly names?: readonly string[];
  readonly purpose?: 'clientAuth' | 'serverAuth';
  /** It has been valid, and is so no longer. */
  readonly isExpired?: boolean;
}

/** An authority of a test of its own, and what it signs, as files in a folder; made by `openssl`. */
export class Authority {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string, cn = name) {
    this.#folder = folder;
    this.#name = name;
    this.#openssl('req', '-x509', ...KEY, '-keyout', this.#file(`${name}-key`), '-out', this.ca, '-subj', `/CN=${cn}`);
  }

  /** The certificate that one has to trust. */
  get ca(): string {
    return this.#file(this.#name);
  }

  /** Makes `NAME.pem` and `NAME-key.pem`. @returns their path without `.pem` */
  sign(name: string, { cn, names = [], purpose = 'clientAuth', isExpired = false }: Subject): string {
    const [request, extensions] = [this.#file(`${name}.csr`), this.#file(`${name}.ext`)];
    this.#openssl('req', '-new', ...KEY, '-keyout', this.#file(`${name}-key`), '-out', request, '-subj', `/CN=${cn}`);
    const alternatives = names.length > 0 ? ['subjectAltName=@names', '[names]', ...names] : [];
    fs.writeFileSync(extensions, [`extendedKeyUsage=${purpose}`, ...alternatives, ''].join('\n'));
    const signed = [
      '-CA',
      this.ca,
      '-CAkey',
      this.#file(`${this.#name}-key`),
      '-CAcreateserial',
      '-extfile',
      extensions,
    ];
    this.#openssl('x509', '-req', '-in', request, ...signed, '-days', isExpired ? '-1' : '2', '-out', this.#file(name));
    return path.join(this.#folder, name);
  }

  #file(name: string): string {
    return path.join(this.#folder, name.includes('.') ? name : `${name}.pem`);
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
