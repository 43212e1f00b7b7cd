import assert from 'node:assert/strict';
import { TocsinError } from '../../src/event/errors.ts';
import type { NewEvent } from '../../src/event/event.ts';
import type { Publisher } from '../../src/runtime/publisher.ts';
import type { Tally } from './tally.ts';
import type { Trace } from './trace.ts';
import type { TrueLog } from './true-log.ts';

export interface SenderEnv {
  readonly truth: TrueLog;
  readonly tally: Tally;
  readonly trace: Trace;
  /** Takes down what has been appended. */
  readonly look: () => void;
  /** Where broken promises go. */
  readonly violations: unknown[];
}

interface Batch {
  readonly from: number;
  readonly events: readonly NewEvent[];
  isSentAgain: boolean;
}

/**
 * A publisher with a name and numbers: one batch at a time, and each until it is acknowledged, however often the service dies
 * under it. What was acknowledged has to be in the log, once.
 */
export class SimulatedSender {
  readonly name: string;
  readonly #env: SenderEnv;
  #publisher: Publisher | undefined;
  #next = 1;
  #batch: Batch | undefined;
  #isWaiting = false;

  constructor(name: string, env: SenderEnv) {
    this.name = name;
    this.#env = env;
  }

  get isBusy(): boolean {
    return this.#batch !== undefined;
  }

  /** The service is there, again perhaps. */
  connect(publisher: Publisher): void {
    this.#publisher = publisher;
    this.#isWaiting = false;
  }

  /** It is gone, and with it the answer. */
  disconnect(): void {
    this.#publisher = undefined;
  }

  /** Sends the batch that has not been acknowledged, or a new one. @param make an event's content @returns events sent */
  send(count: number, make: (args: string) => NewEvent): number {
    const publisher = this.#publisher;
    if (!publisher || this.#isWaiting) return 0;
    const { tally, trace } = this.#env;
    let batch = this.#batch;
    if (batch) {
      batch.isSentAgain = true;
      tally.add('batch sent again');
    } else {
      const from = this.#next;
      const events = Array.from({ length: count }, (_, index) => make(`${this.name}/${from + index}`));
      this.#batch = batch = { from, events, isSentAgain: false };
    }
    this.#isWaiting = true;
    const sent = batch;
    trace.add(`${this.name} sends ${sent.events.length} from ${sent.from}`);
    publisher.publishDurable(sent.events, { publisher: this.name, sequence: sent.from }).then(
      ({ cursor, appended, repeated }) =>
        this.#answered(publisher, sent, () => {
          trace.add(`${this.name} hears of ${cursor}: ${appended} appended, ${repeated} repeated`);
          this.#onAppended(sent, appended, repeated);
        }),
      (error: unknown) => this.#answered(publisher, sent, () => this.#onRefused(sent, error)),
    );
    return sent.events.length;
  }

  #answered(publisher: Publisher, batch: Batch, act: () => void): void {
    if (publisher !== this.#publisher || batch !== this.#batch) return;
    this.#isWaiting = false;
    try {
      act();
    } catch (error) {
      this.#env.violations.push(error);
    }
  }

  #onAppended(batch: Batch, appended: number, repeated: number): void {
    const { truth, tally } = this.#env;
    this.#env.look();
    assert.equal(appended + repeated, batch.events.length);
    if (repeated > 0) {
      assert.ok(batch.isSentAgain, 'a batch that was sent once is said to be repeated');
      tally.add('events recognised as repeated', repeated);
    }
    for (const { args = '' } of batch.events)
      assert.ok(
        truth.seqOf(args) || truth.wasDamaged(args) || truth.mayHaveHalves,
        `${args} is acknowledged and not in the log`,
      );
    this.#next = batch.from + batch.events.length;
    this.#batch = undefined;
  }

  #onRefused(batch: Batch, error: unknown): void {
    const { truth, tally } = this.#env;
    assert.ok(error instanceof TocsinError, String(error));
    if (error.code === 'ERR_PIPELINE_CLOSED') return;
    assert.equal(error.code, 'ERR_PUBLISHER_SEQUENCE', error.message);
    // Events that had been acknowledged went down with a loss of power, or with a disk that took nothing.
    const expected = Number(error.detail['expected']);
    const lost = Array.from({ length: batch.from - expected }, (_, index) => `${this.name}/${expected + index}`);
    assert.ok(truth.mayForget, `${this.name} is thrown back to ${expected}`);
    for (const name of lost) assert.equal(truth.seqOf(name), undefined, `${name} is in the log and not remembered`);
    tally.add('publisher set back');
    this.#batch = undefined;
    this.#next = expected;
  }
}
