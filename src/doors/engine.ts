import type http from 'node:http';
import type { Engine, EngineStream } from '../actors/engine-source.ts';
import { parseContainerList } from '../codec/container-list.ts';
import { asTocsinError, located } from '../event/errors.ts';
import { placeOf, type SourceEndpoint } from '../event/source-address.ts';
import { secondsText } from '../event/time.ts';
import type { EngineInput } from '../messages/engine-source.ts';
import {
  answerOf,
  readRefusal,
  refusalText,
  requestTo,
  secured,
  unreachable,
  whatWentWrong,
} from './engine-request.ts';

/** Engines send the head of the answer at once, whatever the stream will bring; an error's body comes with it. */
const HEAD_LIMIT_MS = 10_000;
const PING_LIMIT = { ms: 10_000, bytes: 64 * 1024 };
/** Some ten thousand containers; read, they need several times as much. */
const LIST_LIMIT = { ms: 30_000, bytes: 16 * 1024 * 1024 };

/**
 * An engine with Docker's API. Paths have no version: engines then tell events in their newest form, and Docker 29 rounds the
 * nanoseconds of older ones.
 * @throws ERR_SOURCE_TLS when its files are of no use now; later that is told as an end of the stream
 */
export function openEngine(engine: SourceEndpoint): Engine {
  if ('tls' in engine && engine.tls) secured(engine.host, engine.tls);
  return {
    listen(since, tell) {
      const closed = new AbortController();
      const stream = openStream(engine, `/events?since=${secondsText(since)}`, tell);
      return {
        async containers() {
          const answer = await answerOf(engine, '/containers/json?all=1', { ...LIST_LIMIT, signal: closed.signal });
          if (answer.status !== 200) throw unreachable(engine, ` ${refusalText(answer)}`);
          try {
            return parseContainerList(answer.body);
          } catch (error) {
            throw located(error, placeOf(engine));
          }
        },
        async ping() {
          await answerOf(engine, '/_ping', { ...PING_LIMIT, signal: closed.signal });
        },
        close() {
          stream.close();
          closed.abort();
        },
      };
    },
  };
}

function openStream(
  engine: SourceEndpoint,
  path: string,
  tell: (input: EngineInput) => void,
): Pick<EngineStream, 'close'> {
  const place = placeOf(engine);
  let isDone = false;
  let request: http.ClientRequest | undefined;
  const limit = setTimeout(() => end(`${place} gave no answer within ${HEAD_LIMIT_MS} ms`), HEAD_LIMIT_MS);
  const close = (): void => {
    isDone = true;
    clearTimeout(limit);
    request?.destroy();
  };
  const end = (why: string): void => {
    if (isDone) return;
    close();
    tell({ type: 'stream-ended', why });
  };
  try {
    request = requestTo(engine, path);
  } catch (error) {
    const { message } = asTocsinError(error);
    // Nothing is told within the call.
    setImmediate(() => end(message));
    return { close };
  }
  // It stays: a request that is destroyed may have errors later.
  request.on('error', (error) => end(`${place}: ${whatWentWrong(error)}`));
  request.once('response', (response) => {
    response.once('close', () => end(`${place} ended the stream of events`));
    response.on('error', (error) => end(`${place}: ${whatWentWrong(error)}`));
    if (response.statusCode !== 200) return readRefusal(response, (what) => end(`${place} ${what}`));
    clearTimeout(limit);
    tell({ type: 'stream-opened' });
    response.on('data', (bytes: Buffer) => {
      if (!isDone) tell({ type: 'bytes-arrived', bytes });
    });
  });
  request.end();
  return { close };
}
