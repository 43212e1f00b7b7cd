import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../support/random.ts';
import { type Stand, type Visit, type VisitKind, VISITS } from './visits.ts';

/** Clients that come and go, each with a container of its own, whose every event they must see. Talks over fork()'s channel. */
export type VisitorsCommand =
  /** No more records come than this; all are to come to the end now. */
  { readonly type: 'finish'; readonly sent: number };

export interface VisitorsNotice {
  readonly type: 'finished';
  readonly kinds: Readonly<Partial<Record<VisitKind, KindFigures>>>;
  readonly faults: readonly string[];
}

export interface KindFigures {
  readonly clients: number;
  readonly visits: number;
  readonly events: number;
}

const STAY_MS = 30_000;
const AWAY_MS = 15_000;
const ARRIVAL_MS = 10_000;
const POLL_MS = 20;
/** For what a client missed while it was away. */
const END_LIMIT_MS = 120_000;
const MAX_FAULTS = 50;
const ID_CHARACTERS = 64;

const [socket = '', count = '0', containers = '0', seed = '1'] = process.argv.slice(2);
const random = new Random(Number(seed));
const faults: string[] = [];
const finishing = new AbortController();
setMaxListeners(0, finishing.signal);
let sent = 0;

/** Programs cost more than connections do: there are few of them. */
const KINDS: readonly VisitKind[] = [
  ...(['library', 'event source', 'docker API', 'iSulad, grpc-js'] as const),
  ...(['library', 'event source', 'docker API', 'iSulad, grpc-js'] as const),
  ...(['library', 'event source', 'docker API', 'iSulad, grpc-js'] as const),
  ...(['library', 'event source', 'docker API', 'iSulad, grpc-js'] as const),
  ...(['docker CLI', 'curl'] as const),
];

class Visitor implements Stand {
  readonly kind: VisitKind;
  readonly socket = socket;
  readonly container: string;
  cursor: string | undefined;
  timeNano: bigint | undefined;
  visits = 0;
  events = 0;
  readonly #step = Number(containers);
  #next: number;

  constructor(index: number) {
    this.kind = KINDS[index % KINDS.length]!;
    const own = index % this.#step;
    this.container = String(own).padStart(ID_CHARACTERS, '0');
    // Records are numbered from 1 on.
    this.#next = own === 0 ? this.#step : own;
  }

  take(number: number): void {
    if (number !== this.#next) this.fault(`${number} in place of ${this.#next}`);
    this.#next = number + this.#step;
    this.events += 1;
  }

  fault(what: string): void {
    if (faults.length < MAX_FAULTS) faults.push(`${this.kind} ${this.container.slice(-4)}: ${what}`);
  }

  async run(): Promise<void> {
    await this.#rest(random.next() * ARRIVAL_MS);
    while (!finishing.signal.aborted) {
      const visit = this.#come();
      await this.#rest((0.1 + random.next()) * STAY_MS);
      await visit.leave();
      await this.#rest((0.1 + random.next()) * AWAY_MS);
    }
    const visit = this.#come();
    const endMs = performance.now() + END_LIMIT_MS;
    while (this.#next <= sent && performance.now() < endMs) await wait(POLL_MS);
    if (this.#next <= sent) this.fault(`waits for ${this.#next} of ${sent}`);
    await visit.leave();
  }

  #come(): Visit {
    this.visits += 1;
    return VISITS[this.kind](this);
  }

  /** So long, or until the end. */
  async #rest(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: finishing.signal }).catch(() => {});
  }
}

const visitors = Array.from({ length: Number(count) }, (_, index) => new Visitor(index));
// Whoever began them has gone.
process.once('disconnect', () => process.exit());
process.on('message', (command: VisitorsCommand) => {
  ({ sent } = command);
  finishing.abort();
});
await Promise.all(visitors.map((visitor) => visitor.run()));
const kinds: Partial<Record<VisitKind, KindFigures>> = {};
for (const { kind, visits, events } of visitors) {
  const so = kinds[kind] ?? { clients: 0, visits: 0, events: 0 };
  kinds[kind] = { clients: so.clients + 1, visits: so.visits + visits, events: so.events + events };
}
process.send?.({ type: 'finished', kinds, faults } satisfies VisitorsNotice);
process.disconnect();
