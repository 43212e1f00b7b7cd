/**
 * Who connects: anybody who can, nobody, a user or a member of a group, by name or number, or whoever has a certificate with a
 * name, which is `cn:web`, `san:dns:web.example`, `san:uri:spiffe://example/web` or `san:email:web@example`.
 */
export type Principal =
  | { readonly kind: 'any' | 'none' }
  | { readonly kind: 'uid' | 'gid'; readonly account: string }
  | { readonly kind: 'certificate'; readonly name: string };

/** Who may be named of those who connect in one way. */
export interface Principals {
  /** How they are written. */
  readonly written: string;
  /** @returns undefined for anything else */
  parse(text: string): Principal | undefined;
}

const ACCOUNT = /^(uid|gid):([^:\s,]+)$/;
/** Without control characters, as in what names are compared with. */
const CERTIFICATE = /^(?:cn|san:(?:dns|uri|email)):[^\p{Cc}]+$/u;

/** Over a unix socket: `any`, `none`, `uid:1000`, `uid:web`, `gid:docker`. */
export const ACCOUNTS: Principals = {
  written: 'any, none, uid:NAME or gid:NAME, or a number',
  parse(text) {
    if (text === 'any' || text === 'none') return { kind: text };
    const [, kind, account] = ACCOUNT.exec(text) ?? [];
    return account === undefined ? undefined : { kind: kind as 'uid' | 'gid', account };
  },
};

/** Over TCP: `any`, `none`, `cn:web`, `san:dns:web.example`. */
export const CERTIFICATES: Principals = {
  written: 'any, none, cn:NAME, san:dns:NAME, san:uri:URI or san:email:ADDRESS',
  parse(text) {
    if (text === 'any' || text === 'none') return { kind: text };
    return CERTIFICATE.test(text) ? { kind: 'certificate', name: certificateName(text) } : undefined;
  },
};

/** As names of certificates are compared: those of hosts are the same in large and small letters. */
export function certificateName(text: string): string {
  return text.startsWith('san:dns:') ? text.toLowerCase() : text;
}
