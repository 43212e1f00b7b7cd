import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HistoryBuffer } from '../../../src/actors/buffer.ts';
import { Epochs } from '../../../src/event/epochs.ts';
import type { BufferReply } from '../../../src/messages/buffer.ts';
import { LogState } from '../../../src/messages/log-state.ts';
import { CounterTable, ManualClock, MemoryOutbox } from '../../support/actors.ts';
import { UNBOUNDED } from '../../support/world.ts';
import { EPOCH } from '../../support/log.ts';

/** Of a log that an earlier process left, of which nothing is at hand. */
function bufferOf(headSeq: number, oldestSeq: number): HistoryBuffer {
  return new HistoryBuffer({
    logState: new LogState(LogState.allocate(headSeq, oldestSeq)),
    headSeq,
    limits: UNBOUNDED,
    files: undefined,
    scans: undefined,
    epochs: new Epochs([{ epoch: EPOCH, firstSeq: 1 }]),
    kept: { events: 0 },
    clock: new ManualClock(),
    defer: () => {},
    counters: new CounterTable().writer,
  });
}

describe('HistoryBuffer', () => {
  it('says what comes next when nothing is left of what a client asks for, and keeps waiting for what has not come', () => {
    const buffer = bufferOf(5, 1);
    const shard = new MemoryOutbox<BufferReply>();
    buffer.answer({ type: 'read-page', requestId: 1, seq: 6 }, shard);
    assert.equal(shard.messages.length, 0);
    buffer.answer({ type: 'read-page', requestId: 2, seq: 3 }, shard);
    const [reply] = shard.messages;
    assert.ok(reply?.type === 'page-read');
    assert.deepEqual(
      { requestId: reply.requestId, firstSeq: reply.firstSeq, bytes: reply.to - reply.from },
      { requestId: 2, firstSeq: 6, bytes: 0 },
    );
  });

  it('answers who asks for what is gone on an idle log, also when everything is', () => {
    const buffer = bufferOf(5, 6);
    const shard = new MemoryOutbox<BufferReply>();
    buffer.answer({ type: 'read-page', requestId: 1, seq: 3 }, shard);
    const [reply] = shard.messages;
    assert.ok(reply?.type === 'page-read');
    assert.deepEqual([reply.firstSeq, reply.from], [6, reply.to]);
  });

  it('says with the name of the epoch where a page begins: a shard may not have heard of that one yet', () => {
    const buffer = bufferOf(5, 6);
    const shard = new MemoryOutbox<BufferReply>();
    buffer.answer({ type: 'read-page', requestId: 1, seq: 3 }, shard);
    buffer.receive({ type: 'epoch-began', span: { epoch: 'zzzzzzzz', firstSeq: 4 } });
    buffer.answer({ type: 'read-page', requestId: 2, seq: 3 }, shard);
    assert.deepEqual(
      shard.messages.map((reply) => reply.type === 'page-read' && reply.oldest),
      [`${EPOCH}-5`, 'zzzzzzzz-5'],
    );
  });
});
