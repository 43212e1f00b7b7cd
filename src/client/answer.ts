import { ERROR_TABLE, type ErrorCode, TocsinError } from '../event/errors.ts';

/** Statuses that a proxy, or a daemon that is not ready, does not answer with for ever. */
const PASSING_STATUSES: readonly number[] = [408, 429, 502, 503, 504];

/** The error in an answer that is not 200: the daemon's own, or one that says what came instead. */
export function answerError(status: number, body: string): TocsinError {
  const { code, message } = fieldsOf(body);
  if (typeof message === 'string' && typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code))
    return new TocsinError(code as ErrorCode, message);
  return new TocsinError(
    PASSING_STATUSES.includes(status) ? 'ERR_DAEMON_UNAVAILABLE' : 'ERR_ANSWER_INVALID',
    `unexpected answer with status ${status}${typeof message === 'string' ? `: ${message}` : ''}`,
  );
}

/** Nobody answers there. */
export function unanswered(where: string, cause: NodeJS.ErrnoException): TocsinError {
  const message = `no daemon answers on ${where} (${cause.code ?? cause.message})`;
  return new TocsinError('ERR_DAEMON_UNAVAILABLE', message, { cause });
}

/** Whether the same request may have another outcome later: nobody answers, not ready, too many clients. */
export function isPassing({ status }: TocsinError): boolean {
  return status === 503 || status === 429;
}

function fieldsOf(body: string): { readonly code?: unknown; readonly message?: unknown } {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}
