/**
 * Who has to act on an error. `caller`, `sender` and `subscriber` errors are contained and counted; after `actor`
 * errors what was asked may be asked again; `environment` errors name what to change on the machine; `bug` errors should be reported to us.
 */
export type ErrorFamily = 'caller' | 'sender' | 'subscriber' | 'actor' | 'environment' | 'bug';

interface ErrorRow {
  readonly family: ErrorFamily;
  /** HTTP status on the native and admin doors. */
  readonly status: number;
  readonly meaning: string;
}

const row = (family: ErrorFamily, status: number, meaning: string): ErrorRow => ({ family, status, meaning });

/** Every error code of the project: the only place where one is declared. `docs/errors.md` is generated from it. */
export const ERROR_TABLE = {
  ERR_OPTION_INVALID: row(
    'caller',
    400,
    'An option is unknown, has the wrong type, is out of range or contradicts another one.',
  ),
  ERR_CONFIG_INVALID: row(
    'caller',
    400,
    'A configuration file cannot be read, is no TOML, or says something that is no option; a variable of the environment likewise.',
  ),
  ERR_ACCESS_DENIED: row('caller', 403, 'Who asks may not do this over this socket; the message says what and who.'),
  ERR_USERNAME_MISSING: row(
    'caller',
    401,
    'A client of iSulad’s service that says to have come over TLS does not say as whom, on a socket that asks who comes.',
  ),
  ERR_TIME_INVALID: row('caller', 400, 'A time is neither RFC 3339, unix seconds nor a Go duration.'),
  ERR_SINCE_AFTER_UNTIL: row('caller', 400, '`since` is later than `until`.'),
  ERR_CURSOR_INVALID: row('caller', 400, 'A cursor does not look like `<epoch>-<seq>`.'),
  ERR_CURSOR_FOREIGN: row(
    'caller',
    409,
    'The cursor belongs to another log (or to this one before it lost its history).',
  ),
  ERR_CURSOR_FUTURE: row('caller', 400, 'The cursor lies beyond the newest event.'),
  ERR_FILTER_INVALID: row(
    'caller',
    400,
    'A filter is not `key=value`, `key!=value` or `key~=regex`, or uses an unknown key.',
  ),
  ERR_PARAMETER_UNKNOWN: row('caller', 400, 'A query parameter is not known to the native door.'),
  ERR_PARAMETER_INVALID: row('caller', 400, 'A query parameter has a value that it cannot have.'),
  ERR_CONTAINER_UNKNOWN: row('caller', 404, 'No container has this id, name or id prefix.'),
  ERR_CONTAINER_AMBIGUOUS: row(
    'caller',
    409,
    'More than one container id begins with this prefix; the message lists them.',
  ),
  ERR_CONTAINER_INVALID: row('caller', 400, 'The description of a container is not valid.'),
  ERR_EVENT_INVALID: row('caller', 400, 'A published event lacks a field or has one of the wrong type.'),
  ERR_EVENT_TOO_LARGE: row('caller', 413, 'A published event is larger than 64 KiB when packed.'),
  ERR_PUBLISH_FULL: row('caller', 429, 'More waits to be published than is kept waiting; try again later.'),
  ERR_PUBLISHER_SEQUENCE: row(
    'caller',
    409,
    'Events of this publisher are missing before the ones that it sent; the message says which number was expected.',
  ),
  ERR_LOG_NOT_EMPTY: row('caller', 409, 'History can only be imported into a log that has no event yet.'),
  ERR_IMPORT_RUNNING: row('caller', 503, 'History is being imported; nothing else is published meanwhile.'),
  ERR_STATE_UNKNOWN: row('caller', 400, 'Not a container or image state of iSulad.'),
  ERR_ROUTE_UNKNOWN: row('caller', 404, 'No such path on this socket.'),
  ERR_METHOD_NOT_ALLOWED: row('caller', 405, 'The path exists, but not with this method.'),
  ERR_BODY_INVALID: row('caller', 400, 'The request body is not valid JSON or has unexpected fields.'),
  ERR_BODY_TOO_LARGE: row(
    'caller',
    413,
    'The request body, or one line of it, is larger than the limit that the message names.',
  ),
  ERR_FILE_UNREADABLE: row('environment', 500, 'A file that the command line was given cannot be read.'),
  ERR_FILE_UNWRITABLE: row('environment', 500, 'A file that the command line was given cannot be written.'),
  ERR_PIPELINE_CLOSED: row('caller', 503, 'The pipeline is draining or stopped.'),
  ERR_FIFO_NO_READER: row('sender', 503, 'Nobody reads the monitor FIFO: no daemon is running on it.'),
  ERR_FIFO_FULL: row('sender', 503, 'The monitor FIFO stayed full for the whole retry time.'),
  ERR_FIFO_MISSING: row('sender', 503, 'There is no monitor FIFO at this path.'),
  ERR_FIFO_NOT_A_FIFO: row('environment', 500, 'The path of the monitor FIFO is a file, a folder or something else.'),
  ERR_FIFO_FOREIGN: row('environment', 500, 'The monitor FIFO belongs to another user.'),
  ERR_FIFO_LOCKED: row('environment', 500, 'Another daemon reads this monitor FIFO.'),
  ERR_FIFO_UNUSABLE: row('environment', 500, 'The monitor FIFO cannot be created, opened, sized or read.'),
  ERR_SOCKET_UNUSABLE: row('environment', 500, 'A listening socket cannot be bound.'),
  ERR_LISTENER_TLS: row(
    'environment',
    500,
    'A certificate or key of a socket for clients cannot be read, or they do not belong together.',
  ),
  ERR_POSIX_UNAVAILABLE: row(
    'environment',
    500,
    'The POSIX calls of the daemon (koffi) cannot be loaded on this platform.',
  ),
  ERR_SUCCESSOR_FAILED: row(
    'environment',
    500,
    'The daemon that was to take over did not get ready to, or the one before it did not let go.',
  ),
  ERR_DAEMON_DYING: row(
    'environment',
    500,
    'The daemon died ten times within five minutes; `tocsin supervise` does not start it again.',
  ),
  ERR_DAEMON_UNAVAILABLE: row('environment', 503, 'No daemon answers on the socket.'),
  ERR_ANSWER_INVALID: row('environment', 502, 'What answers on the socket does not speak as a daemon does.'),
  ERR_SOURCE_UNREACHABLE: row(
    'environment',
    502,
    'An engine that is a source does not answer, or not as an engine does.',
  ),
  ERR_SOURCE_TLS: row(
    'environment',
    500,
    'A certificate or key for the connection to an engine cannot be read, or they do not belong together.',
  ),
  ERR_COMPILER_MISSING: row('environment', 500, 'The C programs of the benchmark could not be compiled.'),
  ERR_BENCH_INVALID: row(
    'environment',
    500,
    'A benchmark run that did not deliver what was sent, and so has no figure.',
  ),
  ERR_CLIENT_LAGGED: row('subscriber', 503, 'The client fell further behind than its lag policy allows.'),
  ERR_CLIENT_GAP: row('subscriber', 503, 'Events that the client had not received were no longer retained.'),
  ERR_CLIENT_FAILED: row('subscriber', 500, 'The write function of a push client threw or rejected.'),
  ERR_CLIENTS_EXHAUSTED: row('subscriber', 429, 'There are as many clients, or connected publishers, as are admitted.'),
  ERR_CONNECTIONS_EXHAUSTED: row(
    'subscriber',
    429,
    'There are as many connections as are taken, in all or of one user; the message says which.',
  ),
  ERR_REPLAYS_EXHAUSTED: row('subscriber', 429, 'There are as many clients reading history as are admitted.'),
  ERR_HANDLER_FAILED: row('subscriber', 500, 'A state handler threw or rejected.'),
  ERR_HANDLER_TIMEOUT: row(
    'subscriber',
    500,
    'A state handler took longer than its time-out; the later calls of its container wait for it.',
  ),
  ERR_HANDLER_DROPPED: row(
    'subscriber',
    500,
    'An event was not handled, because too many of its container wait for a handler that timed out.',
  ),
  ERR_EVENT_LOG_UNUSABLE: row('environment', 500, 'The event log cannot be opened for writing.'),
  ERR_HISTORY_UNWRITABLE: row(
    'environment',
    503,
    'The history cannot be written to disk; the daemon tries again every second.',
  ),
  ERR_HISTORY_UNUSABLE: row('environment', 500, 'The folder of the history cannot be created, locked or read.'),
  ERR_DRAIN_TIMEOUT: row(
    'subscriber',
    503,
    'The client had not read everything when the drain timeout of a shutdown passed.',
  ),
  ERR_ACTOR_START: row('actor', 500, 'An actor could not start; the cause says why.'),
  ERR_ACTOR_DIED: row('actor', 500, 'An actor thread ended without being asked to. It begins anew: ask again.'),
  ERR_RESTARTS_EXHAUSTED: row(
    'actor',
    500,
    'More actors died within a minute than `--max-restarts` allows; the service has ended, its history is intact.',
  ),
  ERR_ASK_TIMEOUT: row('actor', 500, 'An actor did not answer a control request in time.'),
  ERR_INTERNAL: row('bug', 500, 'An invariant of the code does not hold. Please report it.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;
export type ErrorDetail = Readonly<Record<string, string | number | boolean>>;

/** An error as data: what crosses threads and sockets. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: ErrorDetail;
}

/** The one error class: a stable `code`, its `family`, scalar `detail` and, where there is one, the `cause`. */
export class TocsinError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, options: { detail?: ErrorDetail; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TocsinError';
    this.code = code;
    this.detail = options.detail ?? {};
  }

  get family(): ErrorFamily {
    return ERROR_TABLE[this.code].family;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  toData(): ErrorData {
    return { code: this.code, message: this.message, detail: this.detail };
  }

  static fromData(data: ErrorData): TocsinError {
    return new TocsinError(data.code, data.message, data.detail ? { detail: data.detail } : {});
  }
}

/** Makes a TocsinError of anything that was thrown; what we do not know becomes `fallback` with the original as cause. */
export function asTocsinError(thrown: unknown, fallback: ErrorCode = 'ERR_INTERNAL'): TocsinError {
  if (thrown instanceof TocsinError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new TocsinError(fallback, message, { cause: thrown });
}

/** The error of one part of an input, with where that is; what is not ours stays as it is. */
export function located(thrown: unknown, where: string): unknown {
  if (!(thrown instanceof TocsinError)) return thrown;
  return new TocsinError(thrown.code, `${where}: ${thrown.message}`, { cause: thrown });
}

/** Ends a `switch` over a union: the compiler proves that nothing reaches it. */
export function assertNever(value: never): never {
  throw new TocsinError('ERR_INTERNAL', `unexpected value: ${JSON.stringify(value)}`);
}
