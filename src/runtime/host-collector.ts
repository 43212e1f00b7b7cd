import type { MessagePort } from 'node:worker_threads';
import { Collector } from '../actors/collector.ts';
import type { DurableHistory } from '../actors/log-tail.ts';
import { Epochs } from '../event/epochs.ts';
import { isDurable, type Options } from '../event/options.ts';
import { HistoryWriter, type HistoryWriterEnv } from '../history/history-writer.ts';
import type { Timestamp } from '../event/event.ts';
import type { CollectorCommand, CollectorRequest, HistoryFileNotice } from '../messages/collector.ts';
import type { CollectorControl } from '../messages/control.ts';
import { CommitJournal } from '../messages/commit-journal.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import { LogState } from '../messages/log-state.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { HostInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { crc32, HistoryFolder } from './history-folder.ts';
import { bootId, newEpoch } from './open-history.ts';
import { countersOf, type Hosted, outbox, shardNames, standByOf } from './hosting.ts';

/** A history is so many files or more: what its limits let go goes a file at a time. */
const FILES = 16;
const MIN_FILE_BYTES = 64 * 1024;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MIN_FILE_SEC = 1;
const MAX_FILE_SEC = 6 * 3600;

export function hostCollector(init: HostInit): Hosted {
  const { options, memory, recovered } = init;
  const epochs = new Epochs(recovered.epochs);
  const journal = new CommitJournal(memory.commits);
  const buffer = outbox<HistoryFileNotice>(init, 'buffer');
  const standBy = standByOf(init);
  const collector = new Collector({
    ring: new IntakeRing(memory.intakeRing),
    published: new PublishRing(memory.publishRing),
    publisher: outbox(init, 'main'),
    logState: new LogState(memory.logState),
    readers: [outbox(init, 'buffer'), ...shardNames(init.shards).map((name) => outbox<never>(init, name))],
    bufferEvery: Math.max(1, Math.min(16_384, (options.historyEvents || 2 ** 20) >> 6)),
    monitored: outbox(init, 'monitored'),
    counters: countersOf(init),
    clock: systemClock(),
    defer: standBy.defer,
    later: standBy.later,
    main: outbox(init, 'main'),
    epochs,
    journal,
    lastSegment: init.segments.at(-1),
    known: recovered,
    openHistory: isDurable(options)
      ? (snapshot) =>
          openWriter(options, {
            last: journal.position,
            epochs,
            inherited: init.isAnew ? { safeBefore: journal.position.safeBefore } : undefined,
            snapshot,
            opened: (file) => buffer.post({ type: 'history-file-opened', file }),
            secured: (firstSeq) => buffer.post({ type: 'history-file-secured', firstSeq }),
          })
      : undefined,
    segmentBytes: segmentBytesFor(Math.min(options.historyBytes, options.memoryBytes)),
    unknownContainers: options.unknownContainers,
  });
  if (memory.sourceRing) collector.openIntake(new PublishRing(memory.sourceRing), outbox(init, 'sources'));
  standBy.attend({ wake: () => collector.receive({ type: 'records-available' }), mayPark: true });
  init.links.listen<CollectorCommand | CollectorRequest>((message, from) => {
    standBy.woken();
    if (message.type === 'resolve-container' || message.type === 'list-containers')
      outbox(init, from).post(collector.answer(message));
    else collector.receive(message);
  });
  const publishers = new Set<MessagePort>();
  return {
    relinked(name) {
      if (name === 'buffer' || name.startsWith('fanout-')) collector.introduce(outbox(init, name));
      else collector.greet();
    },
    control: {
      intake: () => collector.intake.counts(),
      async putContainer(id, spec) {
        const info = collector.putContainer(id, spec);
        await collector.committed();
        return info;
      },
      async removeContainer(id) {
        const isRemoved = collector.removeContainer(id);
        await collector.committed();
        return isRemoved;
      },
      containers: () => collector.containers(),
      connectIntake(ring, port) {
        const intake = collector.connectIntake(new PublishRing(ring), { post: (notice) => port.postMessage(notice) });
        publishers.add(port);
        port.on('message', (command: CollectorCommand) => {
          standBy.woken();
          collector.receive(command);
        });
        port.on('close', () => {
          publishers.delete(port);
          collector.closeIntake(intake);
        });
      },
      beginImport: () => collector.beginImport(),
      endImport: () => collector.endImport(),
    } satisfies CollectorControl<MessagePort>,
    async stop() {
      for (const port of publishers) port.close();
      await collector.closed();
    },
  };
}

/** The history's end, behind what an earlier process left. */
function openWriter(
  { history, historyBytes, historyAge, durability }: Options,
  env: Pick<HistoryWriterEnv, 'epochs' | 'inherited' | 'snapshot' | 'opened' | 'secured'> & {
    readonly last: Timestamp;
  },
): DurableHistory {
  const { last, ...rest } = env;
  const isSync = durability === 'sync';
  const writer = new HistoryWriter(
    {
      ...rest,
      disk: new HistoryFolder(history),
      crc32,
      nowSec: () => systemClock().now().sec,
      writer: { boot: bootId(), durability: isSync ? 'sync' : 'async' },
      fileBytes: Math.max(MIN_FILE_BYTES, Math.min(MAX_FILE_BYTES, Math.floor(historyBytes / FILES))),
      fileAgeSec:
        historyAge > 0 ? Math.max(MIN_FILE_SEC, Math.min(MAX_FILE_SEC, historyAge / 1000 / FILES)) : MAX_FILE_SEC,
    },
    last,
  );
  return { writer, durability: isSync ? 'sync' : 'async', newEpoch };
}

/** Small histories need small segments: memory is given back a segment at a time. */
function segmentBytesFor(historyBytes: number): number {
  return Math.max(128 * 1024, Math.min(1024 * 1024, 2 ** Math.floor(Math.log2(historyBytes / 16))));
}
