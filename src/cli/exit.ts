import { asTocsinError, type ErrorCode, TocsinError } from '../event/errors.ts';

/** Exit codes of the command line, after sysexits(3). */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 64;
export const EXIT_UNAVAILABLE = 69;
export const EXIT_GAP = 75;
export const EXIT_CONFIG = 78;

const UNAVAILABLE: readonly ErrorCode[] = [
  'ERR_DAEMON_UNAVAILABLE',
  'ERR_ANSWER_INVALID',
  'ERR_FIFO_NO_READER',
  'ERR_FIFO_MISSING',
];
const USAGE: readonly ErrorCode[] = [
  'ERR_OPTION_INVALID',
  'ERR_TIME_INVALID',
  'ERR_FILTER_INVALID',
  'ERR_STATE_UNKNOWN',
  'ERR_SINCE_AFTER_UNTIL',
  'ERR_CURSOR_INVALID',
];

export function exitCodeOf(error: TocsinError): number {
  if (error.code === 'ERR_CLIENT_GAP') return EXIT_GAP;
  if (error.code === 'ERR_CONFIG_INVALID') return EXIT_CONFIG;
  if (UNAVAILABLE.includes(error.code)) return EXIT_UNAVAILABLE;
  return USAGE.includes(error.code) ? EXIT_USAGE : EXIT_FAILURE;
}

/** One line on stderr: what went wrong, and the code to look up in docs/errors.md. */
export function reportError(thrown: unknown): number {
  const error = asTocsinError(thrown);
  process.stderr.write(`tocsin: ${error.message} (${error.code})\n`);
  return exitCodeOf(error);
}
