import * as connections from './attacks/connections.ts';
import * as http2 from './attacks/http2.ts';
import * as requests from './attacks/requests.ts';
import * as resources from './attacks/resources.ts';
import type { Flood } from './flood.ts';

/** In the order of the table. */
export const FLOODS: readonly Flood[] = [
  connections.silent,
  connections.tooMany,
  connections.halfOpen,
  connections.slowLoris,
  connections.neverReading,
  connections.oneByte,
  connections.resetting,
  connections.churn,
  requests.manyValues,
  requests.globs,
  requests.regexes,
  requests.headBombs,
  requests.pipelined,
  http2.rapidReset,
  http2.pings,
  http2.unreadPings,
  http2.settings,
  http2.continuation,
  http2.swollen,
  requests.publisher,
  resources.descriptors,
  resources.disk,
  resources.memory,
];

/** @throws when there is none */
export function floodNamed(name: string): Flood {
  const flood = FLOODS.find((each) => each.name === name);
  if (!flood) throw new Error(`no flood ${name}; there are: ${FLOODS.map((each) => each.name).join(', ')}`);
  return flood;
}
