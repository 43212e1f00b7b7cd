import type { DockerFilters } from '../event/docker-filters.ts';
import type { Term } from '../event/filter.ts';
import type { ContainerInfo, ContainerSpec, Timestamp } from '../event/event.ts';

/**
 * The control plane: what is asked rather than told. These interfaces are served over comlink; every ask settles, also when
 * the actor dies.
 */
/** @typeParam Port what carries notices to a publisher */
export interface CollectorControl<Port> {
  /** What has come in since the actor began. */
  intake(): readonly IntakeCount[];
  /** Applied when it answers, and not forgotten. @throws ERR_CONTAINER_INVALID */
  putContainer(id: string, spec: ContainerSpec): Promise<ContainerInfo>;
  /** As putContainer. @returns whether there was one */
  removeContainer(id: string): Promise<boolean>;
  containers(): readonly ContainerInfo[];
  /** Takes events from one more publisher, from this ring. @throws ERR_PIPELINE_CLOSED, ERR_CLIENTS_EXHAUSTED */
  connectIntake(ring: SharedArrayBuffer, port: Port): void;
  /** Main alone is heard, its events keep their times. @throws ERR_LOG_NOT_EMPTY */
  beginImport(): void;
  endImport(): void;
}

/** Events of one kind. */
export interface IntakeCount {
  /** Name of the engine, `fifo`, or `publish` where a publisher named none. */
  readonly source: string;
  readonly type: string;
  readonly action: string;
  readonly count: number;
}

export interface BufferControl {
  held(): HistoryHeld;
}

/** What is kept for replay, on disk or, without a history there, in memory. */
export interface HistoryHeld {
  readonly bytes: number;
  /** Seconds since 1970: nothing that is kept is older. Undefined without events. */
  readonly oldestSec: number | undefined;
}

/** From the time of an event to its being written to the clients that wait for it, once for each batch of them. */
export interface LatencyCounts {
  /** By `LATENCY_BUCKETS`; not cumulative. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** Where a client begins to read. */
export type StartPosition =
  | { readonly from: 'live' }
  | { readonly from: 'time'; readonly time: Timestamp }
  /** Behind this cursor. */
  | { readonly from: 'cursor'; readonly cursor: string }
  /** With the newest `count` events. */
  | { readonly from: 'recent'; readonly count: number };

/** What a client asks for. */
export interface Subscription {
  readonly door: string;
  readonly peer: string;
  readonly format: LaneFormat;
  readonly start: StartPosition;
  readonly until?: Timestamp;
  /** False: end with the newest event at the time of subscription. */
  readonly follow: boolean;
  /** Id, name or unique prefix of one container; fixed to its id when the subscription begins. */
  readonly name?: string;
  readonly filter: readonly Term[] | DockerFilters;
  /** Path of the socket that it came over; undefined for one of the embedding program. */
  readonly listener?: string;
  /** What it may see at all: its own filter holds beside this one, and containers that this does not show are unknown to it. */
  readonly limit?: readonly Term[];
  /** Without what says nothing new: execs of health checks, a health that was told before. */
  readonly quiet?: boolean;
  /** Secrets are shown as ***, and its filter sees no more than that. */
  readonly redact?: boolean;
  /** On Docker's door: also events that no engine told. Everywhere else a filter says so. */
  readonly synthetic?: boolean;
  /** Events that the client may be behind before it is ended, or moved on; 0 = it catches up from history. */
  readonly lagLimit: number;
  /** Beyond its limit it is moved on, and told, instead of being ended. */
  readonly dropsOldest?: boolean;
  /** 0 = none. */
  readonly heartbeatMs: number;
}

/** What is asked for, whoever asks. */
export type Asked = Omit<Subscription, 'peer'>;

/** Wire formats that lanes are made of. */
export type LaneFormat =
  | `json-${Framing}`
  /** The same lines as server-sent events. */
  | `sse-${Framing}`
  | DockerFormat
  | 'isulad-grpc'
  | 'event-log'
  | 'packed';

/** Docker's JSON, as bare lines or as a JSON text sequence (RFC 7464), with the cursor of each event where that is wanted. */
export type DockerFormat = `docker-${DockerDialect}-${'' | 'cursor-'}${'lines' | 'seq'}-${Framing}`;

/** `modern` from API 1.52 on; `legacy` below; `old` below 1.46. */
export type DockerDialect = 'modern' | 'legacy' | 'old';

/** HTTP/1.1 chunks, one per event, or bare lines. */
export type Framing = 'chunked' | 'plain';

export interface ClientInfo {
  readonly id: string;
  readonly shard: number;
  readonly door: string;
  readonly peer: string;
  /** Path of the socket that it came over; absent for one of the embedding program. */
  readonly listener?: string;
  readonly filter: string;
  readonly cursor: string;
  /** Events of the log that it has neither got nor been spared. */
  readonly lagEvents: number;
  /** How long ago the next of them was; null when that one is no longer at hand. */
  readonly lagSeconds: number | null;
  readonly delivered: number;
  readonly missed: number;
  readonly policy: 'catch-up' | 'drop-oldest' | 'disconnect';
  readonly state: 'live' | 'replaying' | 'blocked';
}

/** A client's row in the client table. */
export interface ClientRow {
  readonly row: number;
  readonly generation: number;
}

/** @typeParam Port what carries events to the embedding program */
export interface FanoutControl<Port> {
  clients(): readonly ClientInfo[];
  latencies(): LatencyCounts;
  /** Admits a client of the embedding program; its data comes over `port`. @throws what `Fanout.subscribe` throws */
  addClient(subscription: Subscription, port: Port): Promise<ClientRow>;
  /** Opens the event log's path anew. @returns false when this shard writes none */
  reopenEventLog(): boolean;
  /** @throws ERR_LISTENER_TLS */
  reloadCertificates(): void;
  /** Event sockets take no new connection; those that are there get so long to send what is queued when the shard ends. */
  stopListening(flushLimitMs: number): Promise<void>;
  /** Serves `addClient` to another thread of the embedding program, on this port. */
  serveConnection(port: Port): void;
}

/** What a shard answers to a connected thread. */
export type ConnectionControl<Port> = Pick<FanoutControl<Port>, 'addClient'>;
