import type { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { Lagged } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import type { Subscription } from '../messages/control.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Asks } from './asks.ts';
import type { Matcher } from './lane.ts';
import { makeMatcher } from './matcher.ts';

/** What a subscription comes to when it is admitted. */
export interface Admission {
  readonly matcher: Matcher;
  /** The first event that may be for the client. */
  readonly nextSeq: number;
  /** Events behind its cursor that a crash has taken, if it is to be told of any. */
  readonly lost: Lagged | undefined;
}

/**
 * Fixes which events a client is to see and where it begins.
 * @param env `head`: the newest event when the client came
 * @throws ERR_SINCE_AFTER_UNTIL, ERR_CONTAINER_*, ERR_CURSOR_*, ERR_FILTER_INVALID
 */
export async function admit(
  subscription: Subscription,
  env: { readonly logState: LogState; readonly epochs: Epochs; readonly asks: Asks; readonly head: number },
): Promise<Admission> {
  const { logState, epochs, asks, head } = env;
  const { start, until, name, limit } = subscription;
  if (start.from === 'time' && until && compareTime(start.time, until) > 0)
    throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
  const id = name ? await asks.resolveContainer(name, limit) : undefined;
  const matcher = await makeMatcher(id, subscription);
  let nextSeq = head + 1;
  let lost: Lagged | undefined;
  if (start.from === 'cursor') {
    const { seq, lostUpTo } = epochs.resolve(start.cursor, head);
    nextSeq = seq + 1;
    if (lostUpTo !== undefined)
      lost = { type: 'gap', missed: null, from: nextSeq, to: lostUpTo, reason: 'crash', oldest: epochs.cursor(seq) };
  } else if (start.from === 'recent') nextSeq = Math.max(logState.oldestSeq, head + 1 - start.count);
  else if (start.from === 'time') nextSeq = await asks.locateTime(start.time);
  return { matcher, nextSeq, lost };
}
