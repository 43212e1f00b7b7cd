/** Who connects: anybody who can, nobody, or a user or a member of a group, by name or number. */
export type Principal = { readonly kind: 'any' | 'none' } | { readonly kind: 'uid' | 'gid'; readonly account: string };

const ACCOUNT = /^(uid|gid):([^:\s,]+)$/;

/** `any`, `none`, `uid:1000`, `uid:web`, `gid:docker`. @returns undefined for anything else */
export function parsePrincipal(text: string): Principal | undefined {
  if (text === 'any' || text === 'none') return { kind: text };
  const [, kind, account] = ACCOUNT.exec(text) ?? [];
  return account === undefined ? undefined : { kind: kind as 'uid' | 'gid', account };
}
