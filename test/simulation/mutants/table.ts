import { type Mutant, mutant } from '../../support/mutant.ts';

const KEEPER = 'src/runtime/log-keeper.ts';
const BATCH = 'src/actors/log-batch.ts';
const TAIL = 'src/actors/log-tail.ts';
const RECOVERY = 'src/history/recovery.ts';
const WRITER = 'src/history/history-writer.ts';
const DELIVERY = 'src/actors/delivery.ts';
const MEMORY = 'src/actors/lane-memory.ts';

/** Each has to be found within a thousand seeds; one that no longer applies is as bad as one that is not found. */
export const MUTANTS: readonly Mutant[] = [
  mutant(
    'late-head',
    'a client begins behind the head that there is when its questions are answered, not when it asked',
    'src/actors/admission.ts',
    'let nextSeq = head + 1;',
    'let nextSeq = logState.headSeq + 1;',
  ),
  mutant(
    'hand-over',
    'one event is lost where history hands over to what is at hand',
    'src/history/recent-runs.ts',
    'if (!first || seq < first.firstSeq) return undefined;\n    return this.#runs.findLast((run) => run.firstSeq <= seq);',
    'if (!first || seq < first.firstSeq - 1) return undefined;\n    return this.#runs.findLast((run) => run.firstSeq <= seq) ?? first;',
  ),
  mutant(
    'resume-repeats',
    'the event that a cursor names comes again',
    'src/actors/admission.ts',
    'nextSeq = seq + 1;',
    'nextSeq = Math.max(1, seq);',
  ),
  mutant(
    'ack-before-sync',
    'events are shown and acknowledged when they are written, not when they are safe',
    TAIL,
    "if (history?.durability === 'sync') return this.#wait(history, batch);",
    '',
  ),
  mutant(
    'ack-before-write',
    'events are shown before they are written',
    TAIL,
    'this.#show(history && (count > 0 || state.length > 0) ? this.#write(history, batch) : batch);',
    'this.#show(batch);\n    if (history) this.#write(history, batch);',
  ),
  mutant(
    'reordered-state',
    'of two batches that are joined, the older one has the last word',
    BATCH,
    'state: [...left.state, ...right.state],',
    'state: [...right.state, ...left.state],',
  ),
  mutant(
    'reordered-answers',
    'batches that waited for one sync are shown in the wrong order',
    TAIL,
    'for (const batch of batches) this.#show(batch);',
    'for (const batch of batches.toReversed()) this.#show(batch);',
  ),
  mutant(
    'lost-wake-up',
    'a reader that goes to sleep tells nobody',
    'src/history/log-reader.ts',
    'Atomics.store(this.#asleep, this.#index, 1);',
    'Atomics.store(this.#asleep, this.#index, 0);',
  ),
  mutant(
    'retention-untold',
    'files go, and the log still counts their events as kept',
    'src/actors/buffer.ts',
    'const oldest = Math.max(before, kept, bound);',
    'const oldest = Math.max(before, bound);',
  ),
  mutant(
    'epoch-reuse',
    'after a loss of power, numbers of lost events are given again under the same epoch',
    RECOVERY,
    'const mayHaveLost = !isClosed &&',
    'const mayHaveLost = isClosed && !isClosed &&',
  ),
  mutant(
    'silent-drop',
    'a client that fell behind what is kept is not told what it missed',
    DELIVERY,
    'if (client.expectsAll && missed > 0 && !isBefore(page, client.since)) {',
    "if (client.expectsAll && missed > 0 && why.reason === 'crash') {",
  ),
  mutant(
    'progress-apart',
    'how far a publisher has come is not kept with its events',
    'src/actors/collector.ts',
    'for (const publisher of intake.takePublishers()) state.push({ publisher });',
    'intake.takePublishers();',
  ),
  mutant(
    'torn-tail',
    'what a crash left of a write is not cut off',
    RECOVERY,
    'tail: mayHaveLost && nextSeq > last.firstSeq ? undefined : { firstSeq: last.firstSeq, length },',
    'tail: mayHaveLost ? undefined : { firstSeq: last.firstSeq, length: length + truncatedBytes },',
  ),
  mutant(
    'snapshot-ahead',
    'a snapshot counts though the batch behind it, which it tells of, never came',
    RECOVERY,
    'if (reading.opened || reading.hasEvents) break;',
    'if (reading.state.length > 0) break;',
  ),
  mutant(
    'last-word-stays',
    'a history that goes on behind an orderly end still says that nothing can be missing',
    RECOVERY,
    'if (!reading.isClosed) reading.length =',
    'reading.length =',
  ),
  mutant(
    'unsafe-restart',
    'what a crashed process left is shown before it is safe from a loss of power',
    RECOVERY,
    'return disk.sync(files.map(',
    'return disk.sync(files.slice(files.length).map(',
  ),
  mutant(
    'epoch-overtaken',
    'events of a new epoch can be read before the epoch is heard of',
    TAIL,
    'return this.#move(batch);',
    'return batch;',
  ),
  mutant(
    'epoch-kept',
    'an epoch that is on disk is gone on with in memory when the disk fails',
    TAIL,
    'const span: EpochSpan = { epoch: history.newEpoch(), firstSeq };',
    'const last = epochs.spans.at(-1)!;\n    const span: EpochSpan = { epoch: last.firstSeq < firstSeq ? history.newEpoch() : last.epoch, firstSeq };',
  ),
  {
    id: 'cut-what-was-seen',
    what: 'a sync that fails takes back what clients have seen since it began',
    edits: [
      {
        file: TAIL,
        search: 'history.writer.sync().catch((error: unknown) => {',
        replace: 'const { mark } = history.writer;\n    history.writer.sync().catch((error: unknown) => {',
      },
      {
        file: TAIL,
        search: 'this.#failAsync(history, history.writer.mark, this.#batchSeq, error);',
        replace: 'this.#failAsync(history, mark, this.#batchSeq, error);',
      },
    ],
  },
  mutant(
    'full-hides-events',
    'events behind a damaged stretch cannot be read while there is no room to set that aside',
    'src/history/history-files.ts',
    '} catch {\n      // No room, perhaps',
    '} catch (error) {\n      throw error; // No room, perhaps',
  ),
  mutant(
    'retired-unsynced',
    'a file that is complete is not waited for before what follows it is shown',
    WRITER,
    'Promise.all([this.#retired, this.#file && this.#counted(this.#file.sink.sync())])',
    'Promise.all([this.#file && this.#counted(this.#file.sink.sync())])',
  ),
  {
    id: 'released-uncommitted',
    what: 'what intakes gave is let go of before the commit is true',
    edits: [
      {
        file: TAIL,
        search: 'for (const each of progress) each.prepare(commit);',
        replace: 'for (const each of progress) {\n      each.prepare(commit);\n      each.release();\n    }',
      },
      { file: TAIL, search: 'for (const each of progress) each.release();', replace: '' },
    ],
  },
  mutant(
    'progress-unprepared',
    'how far the intakes are is not written down for the commit',
    TAIL,
    'for (const each of progress) each.prepare(commit);',
    '',
  ),
  mutant(
    'progress-uncommitted',
    'a collector that begins anew believes what was written down for a commit that has not come true',
    'src/messages/ring-progress.ts',
    'first > commit || (second <= commit && second > first) ? 1 : 0',
    'second > first ? 1 : 0',
  ),
  mutant(
    'commit-unfinished',
    'what a dead collector had committed and not shown stays hidden',
    KEEPER,
    'if (last && last.committed < segmentEnd) last.commit(segmentEnd);',
    '',
  ),
  mutant(
    'state-forgotten',
    'a collector that begins anew knows what was known when the process began',
    KEEPER,
    'if (stateLog === 0) return this.#recovered;',
    'if (stateLog >= 0) return this.#recovered;',
  ),
  mutant(
    'asks-forgotten',
    'what an actor that has died was asked is not asked again',
    'src/actors/asks.ts',
    'for (const { of, post } of this.#pending.values()) if (of === name) post();',
    '',
  ),
  mutant(
    'answers-untold',
    'answers that a dead collector had not come to tell are never told',
    'src/actors/publish-intake.ts',
    "this.post({ type: 'answers-ready', count: this.#ring.answered });",
    '',
  ),
  mutant(
    'unsent-reused',
    'memory is used again that a full client has been given and has not sent',
    MEMORY,
    'sink?.isClear?.() ? mark : heldFrom',
    'mark',
  ),
  mutant(
    'unsent-left',
    'memory is used again that a client which has gone on to another lane has not sent',
    MEMORY,
    'if (sink?.isClear?.()) return;',
    'if (sink) return;',
  ),
  mutant(
    'unsent-rewound',
    'the newest memory is used again from its beginning before its only client has sent it',
    MEMORY,
    'for (const { sink } of this.#clients) if (!sink?.isClear?.()) return false;',
    '',
  ),
  {
    id: 'kept-reused',
    what: 'memory of sinks that keep bytes as they are is used again',
    edits: [
      { file: MEMORY, search: 'if (!sink?.isClear) return false;', replace: 'if (!sink) return false;' },
      {
        file: MEMORY,
        search: 'sink?.isClear?.() ? mark : heldFrom',
        replace: '!sink?.isClear || sink.isClear() ? mark : heldFrom',
      },
    ],
  },
];
