import type net from 'node:net';
import { descriptorOf } from './descriptor.ts';
import type { Posix } from './posix.ts';
import type { RemotePeer } from './remote-peer.ts';

/** Who is at the other end of a connection. */
export type Peer = LocalPeer | RemotePeer;

/** Who is at the other end of a unix socket, as the kernel knows it of the moment at which it connected. */
export interface LocalPeer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Its other groups, asked for when they matter. */
  groups(): readonly number[];
}

/** @returns undefined when the other end has gone already */
export function localPeerOf(posix: Posix, socket: net.Socket): LocalPeer | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  const [pid = 0, uid = 0, gid = 0] = posix.peer(fd) ?? [];
  if (pid === 0) return undefined;
  let groups: readonly number[] | undefined;
  return { pid, uid, gid, groups: () => (groups ??= posix.peerGroups(fd)) };
}

/** For whoever lists clients. */
export function describePeer(peer: Peer | undefined): string {
  if (!peer) return 'gone';
  if ('uid' in peer) return `uid ${peer.uid} pid ${peer.pid}`;
  return peer.commonName === undefined ? peer.address : `${peer.address} CN ${peer.commonName}`;
}
