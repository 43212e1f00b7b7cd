import http from 'node:http';
import type { Engine } from '../actors/engine-source.ts';
import type { SourceAddress } from '../event/source-address.ts';
import { secondsText } from '../event/time.ts';
import type { EngineInput } from '../messages/engine-source.ts';

/** Engines send the head of the answer at once, whatever the stream will bring; an error's body comes with it. */
const HEAD_LIMIT_MS = 10_000;
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * An engine with Docker's API, on a unix socket. The path has no version: engines then tell events in their newest form, and
 * Docker 29 rounds the nanoseconds of older ones.
 */
export function openEngine({ socketPath }: SourceAddress): Engine {
  return {
    listen(since, tell) {
      const path = `/events?since=${secondsText(since)}`;
      const request = http.request({ socketPath, path, headers: { host: 'docker' }, agent: false });
      let isDone = false;
      const limit = setTimeout(() => end(`${socketPath} gave no answer within ${HEAD_LIMIT_MS} ms`), HEAD_LIMIT_MS);
      const end = (why: string): void => {
        if (isDone) return;
        close();
        tell({ type: 'stream-ended', why } satisfies EngineInput);
      };
      const close = (): void => {
        isDone = true;
        clearTimeout(limit);
        request.destroy();
      };
      // It stays: a request that is destroyed may have errors later.
      request.on('error', (error) => end(`${socketPath}: ${error.message}`));
      request.once('response', (response) => {
        response.once('close', () => end(`${socketPath} ended the stream of events`));
        response.on('error', (error) => end(`${socketPath}: ${error.message}`));
        if (response.statusCode !== 200) return readRefusal(response, (what) => end(`${socketPath} ${what}`));
        clearTimeout(limit);
        tell({ type: 'stream-opened' });
        response.on('data', (bytes: Buffer) => {
          if (!isDone) tell({ type: 'bytes-arrived', bytes });
        });
      });
      request.end();
      return { close };
    },
  };
}

/** What an engine says when it does not give its events. */
function readRefusal(response: http.IncomingMessage, done: (what: string) => void): void {
  let text = '';
  const finish = (): void => done(`answered ${response.statusCode}: ${messageIn(text)}`);
  response.setEncoding('utf8');
  response.on('data', (part: string) => {
    text += part;
    if (text.length > MAX_ERROR_BYTES) finish();
  });
  response.once('end', finish);
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === 'string') return message.slice(0, 1024);
  } catch {
    // Then it is shown as it came.
  }
  return JSON.stringify(text.slice(0, 200));
}
