interface CounterRow {
  readonly label: string;
  readonly meaning: string;
}

/** Every counter of the project. `docs/counters.md` is generated from this table; `stats()` and `/v1/stats` show it whole. */
export const COUNTER_TABLE = {
  recordsRead: { label: 'records read', meaning: 'Valid monitor records read from the FIFO.' },
  recordsIgnored: { label: 'records ignored', meaning: 'Records of type PRIORITY or EXIT_CODE, which carry no event.' },
  junkBytes: { label: 'junk bytes', meaning: 'Bytes of the FIFO that were no valid record and were skipped.' },
  resyncs: { label: 'resyncs', meaning: 'Times that reading had to search for the next valid record.' },
  intakeWaits: {
    label: 'intake waits',
    meaning: 'Times that reading the FIFO stopped because the collector was behind.',
  },
  events: { label: 'events', meaning: 'Events appended to the log.' },
  published: {
    label: 'events published',
    meaning: 'Events that came from publish(), publishers and sources rather than the FIFO.',
  },
  sourceEvents: { label: 'events of sources', meaning: 'Events that engines told and that were handed to the log.' },
  sourceRepeated: {
    label: 'events of sources repeated',
    meaning: 'Events that an engine told again, after a reconnect for the most part, and that were left out.',
  },
  sourceRefused: {
    label: 'lines of sources refused',
    meaning: 'Lines of an engine that were no event, or too long for one, and were passed over.',
  },
  sourceReconnects: {
    label: 'source reconnects',
    meaning: 'Connections to an engine that could not be made, or ended, and were tried again.',
  },
  sourceOverflows: {
    label: 'source overflows',
    meaning: 'Times that a source stopped listening for a while because 64 MiB of its events waited for the log.',
  },
  sourceGaps: {
    label: 'source gaps',
    meaning: 'Times that events of a source may have been missed; the log says when.',
  },
  sourceSynthetic: {
    label: 'events of sources synthetic',
    meaning: 'Events that no engine told, made of what one says is there: containers were not as the log knew them.',
  },
  sourceListsFailed: {
    label: 'source lists failed',
    meaning: 'Times that an engine did not say which containers it has. It is asked again a minute later.',
  },
  publishFull: { label: 'publish refused', meaning: 'Calls of publish() answered with "full".' },
  eventsRepeated: {
    label: 'events repeated',
    meaning: 'Events that a named publisher sent again and that were not appended a second time.',
  },
  publishersForgotten: {
    label: 'publishers forgotten',
    meaning: 'Named publishers that were forgotten because too many others came after them.',
  },
  utf8Replaced: { label: 'UTF-8 replaced', meaning: 'Events in which invalid UTF-8 was replaced.' },
  extraDropped: { label: 'extra dropped', meaning: 'Extra annotations without "=" that were left out.' },
  attributesShadowed: {
    label: 'attributes shadowed',
    meaning: 'Labels or extra annotations left out because a built-in attribute has their key.',
  },
  unknownContainers: { label: 'unknown containers', meaning: 'Events of containers that no engine had described.' },
  unknownDropped: {
    label: 'unknown dropped',
    meaning: 'Events of unknown containers that were dropped because of --unknown-containers drop.',
  },
  containersUndescribed: {
    label: 'containers undescribed',
    meaning: 'Events of engines whose container could not be described as they do: its labels are too long.',
  },
  staleStops: { label: 'stale stops', meaning: 'STOPPED records whose pid was not the container\u2019s current one.' },
  timesBumped: {
    label: 'times bumped',
    meaning: 'Events whose own time had to be moved to keep the order of the log.',
  },
  clockSteps: { label: 'clock steps', meaning: 'Times that the clock was found behind the newest event.' },
  segmentsOpened: { label: 'segments opened', meaning: 'Segments of the log that were begun.' },
  segmentsDropped: { label: 'segments dropped', meaning: 'Segments that retention let go.' },
  eventsExpired: { label: 'events expired', meaning: 'Events that retention let go.' },
  actorRestarts: { label: 'actor restarts', meaning: 'Actors whose thread had died and that have begun anew.' },
  historyErrors: { label: 'history errors', meaning: 'Attempts to write the history to disk that failed.' },
  historySlow: {
    label: 'history slow',
    meaning: 'Writes of the history that took longer than a second; whoever sends events waited for them.',
  },
  historyFilesRemoved: { label: 'history files removed', meaning: 'Files of the history that retention removed.' },
  historyCorrupt: {
    label: 'history corrupt',
    meaning: 'Bytes of history files that were not what had been written; they were set aside.',
  },
  pagesServed: { label: 'pages served', meaning: 'Pages of history handed to cursors that were behind.' },
  historyUnreadable: {
    label: 'history unreadable',
    meaning: 'Pages of history that could not be read when they were asked for; they are tried again.',
  },
  pagesScanned: { label: 'pages scanned', meaning: 'Pages of history with only what a filter may show.' },
  scansFailed: { label: 'scans failed', meaning: 'Scans of history that failed; the events were read another way.' },
  clientsAttached: { label: 'clients attached', meaning: 'Clients that were admitted.' },
  clientsEnded: { label: 'clients ended', meaning: 'Clients that ended cleanly: until, end of history or shutdown.' },
  clientsLeft: { label: 'clients left', meaning: 'Clients that went away or cancelled.' },
  clientsCut: {
    label: 'clients cut',
    meaning: 'Clients that were ended abnormally: gap, lag policy, failure or drain timeout.',
  },
  clientsRefused: { label: 'clients refused', meaning: 'Subscriptions that were answered with an error.' },
  delivered: { label: 'events delivered', meaning: 'Events handed to clients, counted per client.' },
  bytesWritten: { label: 'bytes written', meaning: 'Bytes handed to clients.' },
  writes: { label: 'writes', meaning: 'Writes to clients.' },
  writesBlocked: { label: 'writes blocked', meaning: 'Writes after which a client had to be waited for.' },
  eventsEncoded: {
    label: 'events encoded',
    meaning: 'Events that a lane took up in its format, once for each lane.',
  },
  costlyTurns: {
    label: 'costly turns',
    meaning:
      'Turns of filters that cost so much that they take turns, one after the other, and let all others go first.',
  },
  gaps: {
    label: 'gaps',
    meaning:
      'Times that a client came to events that are gone: it was told, or ended where its protocol has no words for that.',
  },
  eventsMissed: { label: 'events missed', meaning: 'Events in those gaps.' },
  connections: { label: 'connections', meaning: 'Connections accepted on the event socket.' },
  connectionsRefused: {
    label: 'connections refused',
    meaning: 'Connections that were one too many, in all or of one user, or to an admin socket.',
  },
  connectionsSpent: {
    label: 'connections spent',
    meaning: 'Connections ended because they had brought as many requests as one may.',
  },
  acceptPauses: {
    label: 'accept pauses',
    meaning: 'Times that no connection was accepted for a moment because no descriptor was left for one.',
  },
  connectionsSilent: { label: 'silent connections', meaning: 'Connections ended because they said nothing for 10 s.' },
  connectionsBroken: {
    label: 'broken connections',
    meaning: 'Connections ended because they spoke no protocol of this socket.',
  },
  handshakesFailed: {
    label: 'TLS handshakes failed',
    meaning:
      'TLS connections that came to nothing: no common version, no certificate that is accepted, not done within 10 s, or too many at a time.',
  },
  requestsRefused: { label: 'requests refused', meaning: 'HTTP and gRPC requests answered with an error.' },
  adminRequests: { label: 'admin requests', meaning: 'Requests on the admin socket.' },
  timeMarks: { label: 'time marks', meaning: 'Time marks given to let clients with a passed until end.' },
  cancelsSeen: {
    label: 'cancels seen',
    meaning: 'Clients that were ended because they had been cancelled in the client table.',
  },
  handlersRun: { label: 'handlers run', meaning: 'Calls of state handlers that came back without an error.' },
  handlersFailed: { label: 'handlers failed', meaning: 'Calls of state handlers that threw or rejected.' },
  handlersTimedOut: {
    label: 'handlers timed out',
    meaning: 'Calls of state handlers that took longer than their time-out.',
  },
  handlersDropped: {
    label: 'handlers dropped',
    meaning: 'Events that no state handler got because too many waited behind a call that timed out.',
  },
  eventLogErrors: { label: 'event log errors', meaning: 'Writes to the event log that failed.' },
  lagBreaches: {
    label: 'lag breaches',
    meaning: 'Times that a client was beyond its lag limit, and was ended or moved on.',
  },
} as const satisfies Record<string, CounterRow>;

export type CounterId = keyof typeof COUNTER_TABLE;
/** As Prometheus knows it. */
export function metricName(id: CounterId): string {
  return `tocsin_${id.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`;
}

export type CounterValues = Readonly<Record<CounterId, number>>;

const COUNTER_IDS = Object.keys(COUNTER_TABLE) as CounterId[];
const COUNTER_INDEX = new Map(COUNTER_IDS.map((id, index) => [id, index] as const));

/** Bytes of the shared table: one row of Float64 cells per writer, so that no cell has two writers. */
export function counterBytes(writers: number): number {
  return writers * COUNTER_IDS.length * 8;
}

/** One writer's row. Adding is a plain store; a reader on another thread may see it a moment later. */
export class Counters {
  readonly #cells: Float64Array;

  constructor(shared: SharedArrayBuffer, writer: number) {
    this.#cells = new Float64Array(shared, counterBytes(writer), COUNTER_IDS.length);
  }

  add(id: CounterId, amount = 1): void {
    const index = COUNTER_INDEX.get(id) ?? 0;
    this.#cells[index] = (this.#cells[index] ?? 0) + amount;
  }
}

/** The sum over all writers. */
export function readCounters(shared: SharedArrayBuffer): CounterValues {
  const cells = new Float64Array(shared);
  const sums = Object.fromEntries(COUNTER_IDS.map((id) => [id, 0])) as Record<CounterId, number>;
  for (let cell = 0; cell < cells.length; cell += 1) {
    const id = COUNTER_IDS[cell % COUNTER_IDS.length];
    if (id) sums[id] += cells[cell] ?? 0;
  }
  return sums;
}
