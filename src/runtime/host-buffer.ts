import { HistoryBuffer } from '../actors/buffer.ts';
import type { BufferRequest } from '../messages/buffer.ts';
import type { LogNotice } from '../messages/collector.ts';
import { LogState } from '../messages/log-state.ts';
import type { ActorInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { countersOf, type Hosted, listen, outbox } from './hosting.ts';

const RETENTION_TICK_MS = 1000;

export function hostBuffer(init: ActorInit): Hosted {
  const { historyEvents, historyBytes, historyAge } = init.options;
  const buffer = new HistoryBuffer({
    logState: new LogState(init.memory.logState),
    limits: { events: historyEvents, bytes: historyBytes, ageMs: historyAge },
    clock: systemClock(),
    counters: countersOf(init),
  });
  listen<LogNotice | BufferRequest>(init, (message, from) => {
    if (message.type === 'read-page' || message.type === 'locate-time') buffer.answer(message, outbox(init, from));
    else buffer.receive(message);
  });
  // Number and bytes change with what is appended; only age needs to be looked at when nothing is.
  const timer = historyAge > 0 ? setInterval(() => buffer.tick(), RETENTION_TICK_MS) : undefined;
  return { control: {}, stop: () => clearInterval(timer) };
}
