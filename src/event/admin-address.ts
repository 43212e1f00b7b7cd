import type { Principal } from './principal.ts';
import { FILE_PARAMETERS, type SocketFile, SocketOption } from './socket-address.ts';

/** What one may do over an admin socket: look, publish events, change containers and history. */
export type Right = 'read' | 'publish' | 'admin';
export const RIGHTS: readonly Right[] = ['read', 'publish', 'admin'];

/** An admin socket, and who may do what over it, of those who can connect. */
export interface AdminAddress extends SocketFile {
  readonly rights: Readonly<Record<Right, readonly Principal[]>>;
}

const DEFAULT_MODE = 0o600;
const PARAMETERS = ['read', 'publish', 'admin', ...FILE_PARAMETERS] as const;
const OPTION = new SocketOption('admin', PARAMETERS, new Set<(typeof PARAMETERS)[number]>(RIGHTS));

/** The sockets that `admin` names: none for an empty path. @throws ERR_OPTION_INVALID */
export function parseAdmins(admin: string | readonly string[]): readonly AdminAddress[] {
  return OPTION.all(admin, parseAdmin, ({ path }) => path);
}

/**
 * The socket in `/run/admin.sock`, over which everybody who can connect may do everything, or in
 * `unix:///run/publish.sock?mode=0660&group=engine&publish=gid:engine`: where one right is said, the others are nobody's.
 * @throws ERR_OPTION_INVALID
 */
export function parseAdmin(text: string): AdminAddress {
  const { path, given } = OPTION.split(text);
  const others: readonly Principal[] = [{ kind: RIGHTS.some((right) => given.has(right)) ? 'none' : 'any' }];
  const of = (right: Right): readonly Principal[] => OPTION.principals(right, given.get(right)) ?? others;
  return {
    ...OPTION.file(path, given, DEFAULT_MODE),
    rights: { read: of('read'), publish: of('publish'), admin: of('admin') },
  };
}
