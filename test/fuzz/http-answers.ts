import { ERROR_TABLE, type ErrorCode } from '../../src/event/errors.ts';
import { demand, show } from './target.ts';

const STATUSES: ReadonlySet<number> = new Set([100, 200, 400, 404, 405, 408, 409, 413, 429, 431, 503]);
const HEADER = /^([A-Za-z-]+): ([\x20-\x7e]*)$/;
/** What the parser of the server says, before anything of ours sees the request. */
const BROKEN_STATUSES: ReadonlySet<number> = new Set([400, 408, 431]);

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** False for a stream that goes on. */
  readonly isWhole: boolean;
}

/**
 * Reads what came back on a connection, answer by answer.
 * @param mayBeHead one of the requests may be a HEAD, whose answer has a length and no body
 * @throws Broken for what is no HTTP, or no answer of ours
 */
export function readAnswers(text: string, mayBeHead: boolean): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < text.length; ) {
    const bodyAt = text.indexOf('\r\n\r\n', at) + 4;
    demand(bodyAt >= 4, 'answers with half a head', () => show(text.slice(at, at + 200)));
    const [first = '', ...lines] = text.slice(at, bodyAt - 4).split('\r\n');
    const [, digits] = /^HTTP\/1\.1 (\d{3}) [A-Za-z -]+$/.exec(first) ?? [];
    const status = Number(digits);
    demand(digits !== undefined, 'answers with no status line', () => show(text.slice(at, at + 200)));
    const isBusy = status === 503 && text.includes('ERR_IMPORT_RUNNING', at);
    demand(status < 500 || isBusy, 'fails within', () => show(text.slice(at, at + 500)));
    demand(STATUSES.has(status), 'answers with a status that nobody knows', () => first);
    const headers = headersOf(lines);
    const { body, end } = bodyOf(text, bodyAt, status, headers, mayBeHead);
    answers.push({ status, headers, body, isWhole: end !== undefined });
    at = end ?? text.length;
  }
  return answers;
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ''] = HEADER.exec(line) ?? [];
    demand(name !== undefined, 'answers with a broken header', () => show(line));
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/** @returns without an end where the body goes on */
function bodyOf(
  text: string,
  from: number,
  status: number,
  headers: ReadonlyMap<string, string>,
  mayBeHead: boolean,
): { readonly body: string; readonly end: number | undefined } {
  if (status === 100) return { body: '', end: from };
  if (headers.get('transfer-encoding') === 'chunked') return chunksOf(text, from);
  const length = headers.get('content-length');
  if (length === undefined)
    return { body: text.slice(from), end: headers.get('connection') === 'close' ? text.length : undefined };
  demand(/^\d+$/.test(length), 'answers with a broken length', () => length);
  const isEmpty = from === text.length || text.startsWith('HTTP/1.1 ', from);
  if (mayBeHead && isEmpty) return { body: '', end: from };
  const end = from + Number(length);
  demand(end <= text.length, 'ends within an answer', () => show(text.slice(from)));
  return { body: text.slice(from, end), end };
}

function chunksOf(text: string, from: number): { readonly body: string; readonly end: number | undefined } {
  let body = '';
  for (let at = from; at < text.length; ) {
    const [head = '', digits = ''] = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20)) ?? [];
    demand(head !== '', 'answers with a broken chunk', () => show(text.slice(at, at + 100)));
    const to = at + head.length + Number.parseInt(digits, 16);
    // What has been read so far may end within a chunk.
    if (text.length < to + 2) return { body, end: undefined };
    body += text.slice(at + head.length, to);
    demand(text.startsWith('\r\n', to), 'answers with a chunk of another length', () => show(text.slice(at, to + 10)));
    at = to + 2;
    if (digits === '0') return { body, end: at };
  }
  return { body, end: undefined };
}

/** What every answer of ours is. @param hasCode the door gives errors a code, always */
export function checkAnswer({ status, headers, body, isWhole }: Answer, hasCode: boolean, mayBeHead: boolean): void {
  if (status >= 400) return checkError(status, headers, body, hasCode, mayBeHead);
  if (status !== 200) return;
  const type = headers.get('content-type') ?? '';
  const says = (): string => show([type, body.slice(-300)]);
  if (type === 'text/event-stream') {
    const lines = body.split('\n').slice(0, -1);
    demand(
      lines.every((line) => /^(?:(?:id|data|event|retry): ?.*|:.*|)$/.test(line)),
      'streams what are no server-sent events',
      says,
    );
  } else if (type.startsWith('application/')) {
    const lines = body.split('\n');
    if (!isWhole) lines.pop();
    demand(lines.every(isJsonLine), 'streams or answers what is no JSON', says);
  } else demand(type.startsWith('text/plain') && (body === 'OK' || body === ''), 'answers with something else', says);
}

function checkError(
  status: number,
  headers: ReadonlyMap<string, string>,
  body: string,
  hasCode: boolean,
  mayBeHead: boolean,
): void {
  if (mayBeHead && body === '') return;
  const says = (): string => `${status} ${show(body)}`;
  demand(headers.get('content-type') === 'application/json', 'refuses without JSON', says);
  const { message, code } = JSON.parse(body) as Readonly<Record<string, unknown>>;
  demand(typeof message === 'string' && message !== '', 'refuses without a reason', says);
  if (code === undefined) return demand(!hasCode, 'refuses without a code', says);
  demand(
    typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code),
    'refuses with a code that is not documented',
    says,
  );
  const row = ERROR_TABLE[code as ErrorCode];
  demand(row.family !== 'bug' && row.family !== 'actor', 'blames itself', says);
  const isParsers = code === 'ERR_BODY_INVALID' && BROKEN_STATUSES.has(status);
  demand(isParsers || row.status === status, 'refuses with another status than its code has', says);
}

function isJsonLine(line: string): boolean {
  const json = line.startsWith('\x1e') ? line.slice(1) : line;
  if (json === '') return true;
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}
