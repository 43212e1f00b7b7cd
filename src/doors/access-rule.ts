import { TocsinError } from '../event/errors.ts';
import type { Principal } from '../event/principal.ts';
import { accountNumber, GROUP, PASSWD } from './accounts.ts';
import { describePeer, type Peer } from './peer.ts';

/** Who may do something, with the numbers of the accounts, and the names in certificates, that were named. */
export class AccessRule {
  readonly #what: string;
  readonly #isAny: boolean;
  readonly #uids = new Set<number>();
  readonly #gids = new Set<number>();
  readonly #names = new Set<string>();

  /** @param what it is about, as `reading events`. @throws ERR_OPTION_INVALID for a name that the machine does not know */
  constructor(what: string, principals: readonly Principal[] = [{ kind: 'any' }]) {
    this.#what = what;
    this.#isAny = principals.some(({ kind }) => kind === 'any');
    for (const principal of principals) {
      if (principal.kind === 'uid') this.#uids.add(accountNumber(principal.account, PASSWD));
      if (principal.kind === 'gid') this.#gids.add(accountNumber(principal.account, GROUP));
      if (principal.kind === 'certificate') this.#names.add(principal.name);
    }
  }

  admits(peer: Peer | undefined): boolean {
    if (this.#isAny) return true;
    if (!peer) return false;
    if ('names' in peer) return peer.names.some((name) => this.#names.has(name));
    if (this.#uids.has(peer.uid) || this.#gids.has(peer.gid)) return true;
    return this.#gids.size > 0 && peer.groups().some((gid) => this.#gids.has(gid));
  }

  /** @param what in words of the door's own. @throws ERR_ACCESS_DENIED */
  require(peer: Peer | undefined, what = this.#what): void {
    if (!this.admits(peer))
      throw new TocsinError('ERR_ACCESS_DENIED', `${what} is not allowed to ${describePeer(peer)} on this socket`);
  }
}
