import assert from 'node:assert/strict';
import { EngineContainers } from '../../src/actors/engine-containers.ts';
import { type Engine, EngineSource } from '../../src/actors/engine-source.ts';
import type { EventPacker } from '../../src/codec/event-packer.ts';
import { EventView } from '../../src/codec/event-record.ts';
import { markOf } from '../../src/codec/record-mark.ts';
import { Backoff } from '../../src/event/backoff.ts';
import { ContainerTable } from '../../src/event/container-table.ts';
import { TocsinError } from '../../src/event/errors.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { type SavedSource, SourceTable } from '../../src/event/source-table.ts';
import { addNanos, parseTime } from '../../src/event/time.ts';
import type { EngineInput, ListedContainer, SourceNotice } from '../../src/messages/engine-source.ts';
import { EVENT } from '../../src/messages/layout.ts';
import { CounterTable, ManualClock, MemoryOutbox } from './actors.ts';
import { engineLine, EngineMemory } from './engine-memory.ts';

const START: Timestamp = { sec: 0, nanos: 0 };
export const timeOf = (n: number): Timestamp => {
  const digits = /"timeNano":(\d+)/.exec(engineLine(n))![1]!;
  return { sec: Number(digits.slice(0, -9)), nanos: Number(digits.slice(-9)) };
};

/** What is in the log: the number of an engine's event, a gap between two times, or what no engine told. */
export type Logged =
  | { readonly n: number }
  | { readonly from: Timestamp; readonly to: Timestamp }
  | { readonly synthetic: string; readonly event: NewEvent };

/** What a source has asked an engine beside its events. */
export interface Asked<T> {
  resolve(answer: T): void;
  reject(error: Error): void;
}

/** A source between an engine and a log that do what the test says. */
export class SourceBench {
  readonly memory = new EngineMemory();
  readonly counters = new CounterTable();
  readonly clock = new ManualClock();
  readonly said = new MemoryOutbox<SourceNotice>();
  readonly log: Logged[] = [];
  readonly asked: Timestamp[] = [];
  timers: { readonly ms: number; readonly task: () => void }[] = [];
  source!: EngineSource;
  /** What was asked and not answered. */
  lists: Asked<readonly ListedContainer[]>[] = [];
  pings: Asked<void>[] = [];
  readonly containers = new ContainerTable();
  readonly #engineContainers = new EngineContainers(this.containers, new CounterTable().writer);
  #table = new SourceTable();
  readonly #ids = new Map<number, string>();
  #tell: ((input: EngineInput) => void) | undefined;
  /** The batch that is on its way, and how it is answered. */
  #batch: { readonly events: EventPacker; resolve(): void; reject(error: Error): void } | undefined;
  /** The log answers at once. */
  isQuick = true;
  /** The engine takes requests. */
  isUp = true;

  constructor() {
    this.begin();
  }

  /** A new process. */
  begin(saved?: SavedSource): void {
    const engine: Engine = {
      listen: (since, tell) => {
        this.asked.push(since);
        this.#tell = tell;
        return {
          containers: () => new Promise((resolve, reject) => this.lists.push({ resolve, reject })),
          ping: () => new Promise((resolve, reject) => this.pings.push({ resolve, reject })),
          close: () => {
            if (this.#tell === tell) this.#tell = undefined;
          },
        };
      },
    };
    this.source = new EngineSource({
      name: 'docker',
      engine,
      append: (events) => this.#append(events),
      recovered: saved,
      containers: [...this.containers.saved()].filter(({ removed }) => !removed),
      main: this.said,
      counters: this.counters.writer,
      clock: this.clock,
      later: (ms, task) => this.timers.push({ ms, task }),
      backoff: new Backoff(() => 0.5),
    });
  }

  /** The process is killed when so many events of the batch on its way were taken, and another one begins. */
  crash(taken: number): void {
    this.source.close();
    if (this.#batch) this.#take(this.#batch.events, Math.min(taken, this.#batch.events.count));
    this.#batch = undefined;
    this.timers = [];
    this.lists = [];
    this.pings = [];
    this.begin([...this.#table.saved()][0]);
  }

  /** The engine answers who has asked: it tells what it remembers. @param again tells the newest of that twice */
  open(again = false): void {
    const tell = this.#tell;
    if (!tell) return;
    if (!this.isUp) return this.cut();
    tell({ type: 'stream-opened' });
    const lines = this.memory.since(this.asked.at(-1)!);
    this.send([...lines, ...(again ? lines.slice(-1) : [])].join(''));
  }

  get isListening(): boolean {
    return this.#tell !== undefined;
  }

  emit(n: number, isHeard: boolean): void {
    this.clock.time = addNanos(timeOf(n), 1);
    this.memory.add(engineLine(n));
    if (isHeard) this.send(engineLine(n));
  }

  send(text: string): void {
    if (text !== '') this.#tell?.({ type: 'bytes-arrived', bytes: Buffer.from(text) });
  }

  cut(why = 'the stream ended'): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.({ type: 'stream-ended', why });
  }

  /** Lets the timers run out that are due within this time. */
  pass(ms = Infinity): void {
    const due = this.timers.filter((timer) => timer.ms <= ms);
    this.timers = this.timers.filter((timer) => timer.ms > ms);
    for (const { task } of due) task();
  }

  /** The log takes the batch that is on its way. */
  async answer(error?: TocsinError): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    if (error) batch?.reject(error);
    else if (batch) {
      this.#take(batch.events, batch.events.count);
      batch.resolve();
    }
    await settled();
  }

  get numbers(): number[] {
    return this.log.flatMap((entry) => ('n' in entry ? [entry.n] : []));
  }

  get gaps(): { readonly from: Timestamp; readonly to: Timestamp }[] {
    return this.log.flatMap((entry) => ('from' in entry ? [entry] : []));
  }

  /** The container of an event of this number in the log. */
  idOf(n: number): string {
    return this.#ids.get(n) ?? '';
  }

  /** `create c1`, ... */
  get synthetic(): string[] {
    return this.log.flatMap((entry) => ('synthetic' in entry ? [entry.synthetic] : []));
  }

  #append(events: EventPacker): Promise<void> {
    if (this.isQuick) {
      this.#take(events, events.count);
      return Promise.resolve();
    }
    assert.equal(this.#batch, undefined, 'one batch at a time');
    return new Promise((resolve, reject) => (this.#batch = { events, resolve, reject }));
  }

  /** As the collector does: what is known of the source goes with its events. */
  #take(events: EventPacker, count: number): void {
    for (let index = 0; index < count; index += 1) {
      const record = events.records(index, index + 1).slice();
      const view = new EventView(record.buffer);
      if (view.isSourceGap) {
        const [from, to] = ['from', 'to'].map((key) => parseTime(view.attribute(key)!, START));
        this.log.push({ from: from!, to: to! });
        continue;
      }
      this.#engineContainers.note(view, this.log.length + 1, 'docker');
      if (view.isSynthetic) {
        this.#noteSynthetic(view);
        continue;
      }
      this.#ids.set(Number(view.attribute('n')), view.id);
      this.log.push({ n: Number(view.attribute('n')) });
      const words = new Int32Array(record.buffer);
      const time = { sec: words[EVENT.SOURCE_SEC >> 2]!, nanos: words[EVENT.SOURCE_NANOS >> 2]! };
      this.#table.note('docker', time, markOf(words, 0, record.length));
    }
  }

  #noteSynthetic(view: EventView): void {
    const { type, action, id, source, words } = view;
    const time = { sec: words[EVENT.SOURCE_SEC >> 2]!, nanos: words[EVENT.SOURCE_NANOS >> 2]! };
    const attributes = Object.fromEntries(view.attributes());
    this.log.push({ synthetic: `${action} ${id}`, event: { type, action, id, source, attributes, time } });
  }
}

/** Resolves when promises have come to rest. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
