import { recordedLines } from './vectors.ts';

/** One awkward request, and what a real engine answered to it. */
export interface EdgeRow {
  /** What `docker-edge.txt` calls the request. */
  readonly name: string;
  readonly status: number;
  readonly type: string;
  readonly lines: number;
  /** '' where none was recorded: that of a stream. */
  readonly body: string;
}

const ROW = /^(.*?)\s+-> (\d+) (.*) \d+ms lines=(\d+)(?: b'(.*)')?$/;

/** The rows of `docker-edge.txt`, which a Docker engine 20.10.24 answered while it held just `docker-edge-events.jsonl`. */
export function edgeRows(): readonly EdgeRow[] {
  return recordedLines('docker-edge.txt')
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const match = ROW.exec(line);
      if (!match) throw new Error(`not a row of docker-edge.txt: ${line}`);
      const [, name = '', status, type = '', lines, body = ''] = match;
      return { name, status: Number(status), type, lines: Number(lines), body: unescaped(body) };
    });
}

/** Python's way to write bytes: a backslash before a quote, a backslash, or an `n` for LF. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}
