/** Paths of PEM files. Without `ca` the certificates that the system trusts count. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What whoever listens needs; with `ca` those who connect need a certificate that one in it has signed. */
export interface ServerTlsFiles extends TlsFiles {
  readonly cert: string;
  readonly key: string;
}
