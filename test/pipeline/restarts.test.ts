import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createPipeline, type Pipeline } from '../../src/index.ts';
import { openConnection } from '../../src/runtime/connection.ts';
import type { Published } from '../../src/runtime/publisher.ts';
import { KINDS, type Window } from '../kills/fault-plan.ts';
import { faultyThreads } from '../kills/faulty-threads.ts';
import { temporaryFolder, waitFor } from '../support/daemon.ts';
import { Random } from '../support/random.ts';

const WINDOWS: readonly Window[] = [
  ...(['journal.prepare', 'journal.commit', 'progress.prepare', 'publish.release', 'publish.answered'] as const),
  ...(['segment.commit', 'port.post', 'file.write', 'turn'] as const),
];

const DEATHS = 5;
/** An actor that dies sooner than this after it has begun anew has to wait. */
const LIFE_MS = 1_050;

interface Answer extends Published {
  readonly first: number;
  readonly count: number;
}

/** Publishes numbered events until it is told to stop, three batches at a time. */
class NumberedPublisher {
  readonly answers: Answer[] = [];
  readonly type: string;
  next = 1;
  #isStopped = false;
  readonly #running: Promise<void>[];

  constructor(
    type: string,
    random: Random,
    lanes: number,
    publish: (
      events: { type: string; action: string; id: string; args: string }[],
      first: number,
    ) => Promise<Published>,
  ) {
    this.type = type;
    const run = async (): Promise<void> => {
      while (!this.#isStopped) {
        const first = this.next;
        const count = 1 + random.below(random.chance(0.05) ? 900 : 20);
        this.next += count;
        const events = Array.from({ length: count }, (_, index) => ({
          type,
          action: 'start',
          id: `c${random.below(9)}`,
          args: String(first + index),
        }));
        this.answers.push({ first, count, ...(await publish(events, first)) });
        await wait(2 + random.below(6));
      }
    };
    this.#running = Array.from({ length: lanes }, run);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }
}

/** Everything that the log has, by type: number and sequence number of each event. */
async function everything(pipeline: Pipeline): Promise<Map<string, { number: number; seq: number }[]>> {
  const byType = new Map<string, { number: number; seq: number }[]>();
  let expected = 1;
  for await (const delivery of await pipeline.subscribe({ since: '0', follow: false })) {
    assert.ok(!('missed' in delivery));
    assert.equal(delivery.seq, expected);
    expected += 1;
    const list = byType.get(delivery.type) ?? [];
    byType.set(delivery.type, list);
    list.push({ number: Number(delivery.args), seq: delivery.seq });
  }
  return byType;
}

function checkAnswers(publisher: NumberedPublisher, log: readonly { number: number; seq: number }[]): void {
  assert.deepEqual(
    log.map(({ number }) => number),
    Array.from({ length: publisher.next - 1 }, (_, index) => index + 1),
    `${publisher.type}: numbers`,
  );
  for (const { first, count, cursor, appended, repeated } of publisher.answers) {
    assert.deepEqual(
      { appended, repeated },
      { appended: count, repeated: 0 },
      `${publisher.type}: batch from ${first}`,
    );
    const { seq } = log[first + count - 2]!;
    assert.equal(Number(cursor.split('-')[1]), seq, `${publisher.type}: cursor of the batch from ${first}`);
  }
}

describe('a collector that dies and begins anew', () => {
  for (const durability of ['memory', 'async', 'sync'] as const)
    it(`takes what publishers hand over once, and answers every batch (${durability})`, async () => {
      const { plan, workerUrl } = faultyThreads();
      const random = new Random(durability.length);
      const folder = temporaryFolder();
      const said: string[] = [];
      const pipeline = await createPipeline({
        history: durability === 'memory' ? '' : folder,
        durability,
        memoryBytes: 256 * 1024 * 1024,
        maxRestarts: 1_000_000,
        workerUrl,
        report: (message) => said.push(message),
      });
      const handled: number[] = [];
      const handlers = await pipeline.handleStates({ handle: (event) => void handled.push(Number(event.args)) });
      const connection = await openConnection(await pipeline.connect());
      const publishers = [
        // One after the other, so that their numbers come in order.
        new NumberedPublisher('main', random, 1, (events) => pipeline.publishDurable(events)),
        new NumberedPublisher('named', random, 1, (events, sequence) =>
          pipeline.publishDurable(events, { publisher: 'p', sequence }),
        ),
        new NumberedPublisher('connected', random, 1, (events) => connection.publishDurable(events)),
      ];
      let loose = 0;
      const dribble = setInterval(() => {
        for (let index = 0; index < 20; index += 1) {
          const event = { type: 'loose', action: 'x', id: 'l', args: String(loose + 1) };
          if (pipeline.publish(event) !== 'accepted') return;
          loose += 1;
        }
        const die = { type: 'container', action: 'die', id: 'h', args: String(handled.length) };
        pipeline.publish(die);
      }, 20);
      const described = new Set<string>();
      for (let death = 0; death < DEATHS; death += 1) {
        const window = WINDOWS[death % WINDOWS.length]!;
        const kind = KINDS[random.below(2)]!;
        const before = said.filter((line) => line.includes('begun anew')).length;
        plan.arm('collector', window, 1 + random.below(60), kind);
        if (
          !(await waitFor(
            () => said.filter((line) => line.includes('begun anew')).length > before,
            'its next life',
            3_000,
          ).then(
            () => true,
            () => false,
          ))
        ) {
          if (plan.disarm()) plan.arm('collector', 'turn', 1, kind);
          await waitFor(
            () => said.filter((line) => line.includes('begun anew')).length > before,
            'its next life',
            20_000,
          );
        }
        const id = `${death}`.padStart(64, '0');
        await pipeline.containers.set(id, { name: `n${death}`, labels: { death: String(death) } });
        described.add(id);
        await wait(LIFE_MS);
      }
      clearInterval(dribble);
      for (const publisher of publishers) await publisher.stop();
      const log = await everything(pipeline);
      for (const publisher of publishers) checkAnswers(publisher, log.get(publisher.type) ?? []);
      assert.deepEqual(
        log.get('loose')!.map(({ number }) => number),
        Array.from({ length: loose }, (_, index) => index + 1),
      );
      const known = await pipeline.containers.list();
      for (const id of described)
        assert.ok(
          known.some((container) => container.id === id),
          `${id} is forgotten`,
        );
      const deaths = log.get('container')!.length;
      await waitFor(() => handled.length === deaths, 'the state handlers');
      await connection.close();
      await handlers.close();
      await pipeline.close();
      fs.rmSync(folder, { recursive: true, force: true });
      console.log(
        `# ${said.filter((line) => line.includes('begun anew')).length} lives, ${[...log.values()].flat().length} events`,
      );
    });
});
