import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redactor } from '../../../src/codec/redactor.ts';
import { makeEncoder } from '../../../src/codec/formats.ts';
import { Client } from '../../../src/actors/client.ts';
import type { Lane } from '../../../src/actors/lane.ts';
import { Lanes } from '../../../src/actors/lanes.ts';
import { makeMatcher } from '../../../src/actors/matcher.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import type { Run } from '../../../src/history/segment.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { EPOCHS, segmentOf } from '../../support/log.ts';

const CONTAINERS = 20;

function numbered(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'container',
    action: 'start',
    id: `c${index % CONTAINERS}`,
    attributes: { image: 'nginx', name: 'web' },
  }));
}

function runOf(events: readonly NewEvent[]): Run {
  const segment = segmentOf(events);
  return { segment, from: SEGMENT.HEADER_BYTES, to: segment.byteLength, firstSeq: 1 };
}

/** A client that asks for one container, on a lane that waits at the head of an empty log. */
async function attach(lanes: Lanes, row: number, container = `c${row}`): Promise<Lane> {
  const term = { key: 'container', op: '=', value: container } as const;
  const subscription = {
    kind: 'events',
    format: 'json-chunked',
    start: { from: 'live' },
    follow: true,
    filter: [term],
    heartbeatMs: 0,
    lagLimit: 0,
    door: 'native',
    peer: '',
  } as unknown as ConstructorParameters<typeof Client>[0]['subscription'];
  const matcher = await makeMatcher(undefined, { filter: [term] });
  const lane = lanes.place(
    new Client({ row, generation: 1, subscription, matcher, nextSeq: 1, headSeq: 0, nowSec: 0 }),
  );
  lanes.rest(lane);
  return lane;
}

describe('LaneIndex', () => {
  const makeLanes = (): Lanes =>
    new Lanes({
      makeEncoder: (format) => makeEncoder(format, EPOCHS),
      allocate: () => (bytes) => new Uint8Array(bytes),
      redactor: new Redactor(),
    });

  it('keeps a lane whose memory is full before the run has ended', async () => {
    const lanes = makeLanes();
    const waiting: Lane[] = [];
    for (let row = 0; row < CONTAINERS; row += 1) waiting.push(await attach(lanes, row));
    const events = numbered(100 * CONTAINERS);
    lanes.index.scan(runOf(events), events.length + 1);
    assert.equal(lanes.index.encoded, events.length);
    assert.equal(lanes.index.take().size, CONTAINERS);
    assert.equal(lanes.index.take().size, 0);
    for (const lane of waiting) {
      assert.ok(lane.headIndex > 1, 'more than one memory');
      assert.equal(lane.index, lanes.index);
      assert.equal(lane.head.events, 100);
    }
    assert.deepEqual([...lanes.walking], []);
  });

  it('lets a lane go on by itself from the first event that nobody on it can take', async () => {
    const lanes = makeLanes();
    const [first, second] = [await attach(lanes, 0), await attach(lanes, 1)];
    for (const client of second.clients) client.blocked = true;
    lanes.index.scan(runOf(numbered(3)), 4);
    assert.equal(first.index, lanes.index);
    assert.equal(second.index, undefined);
    assert.equal(second.nextSeq, 2);
    assert.deepEqual([...lanes.walking], [second]);
  });

  it('tells texts apart that have the same hash, also when one is not waited for any more', async () => {
    const lanes = makeLanes();
    const names = ['declinate', 'macallums'];
    const waiting = [await attach(lanes, 0, names[0]), await attach(lanes, 1, names[1])];
    const events = names.map((id): NewEvent => ({ type: 'container', action: 'start', id, attributes: {} }));
    const shown = (): number[] => waiting.map(({ head }) => head.events);
    const scan = (from: number): void => {
      lanes.index.scan(runOf(events), from + events.length);
      lanes.index.take();
    };
    scan(1);
    assert.deepEqual(shown(), [1, 1]);
    for (const lane of waiting) {
      lanes.index.remove(lane);
      scan(lanes.index.nextSeq);
      assert.deepEqual(shown(), [1, 2]);
    }
  });

  it('shows of what is called like a container only what is one', async () => {
    const lanes = makeLanes();
    const lane = await attach(lanes, 1);
    const start = { type: 'container', action: 'start', attributes: {} };
    const events: NewEvent[] = [
      { ...start, id: 'c1' },
      { ...start, id: 'x', attributes: { name: 'c1' } },
      { ...start, id: 'c1', attributes: { name: 'c1' } },
      { ...start, id: 'c1', type: 'image' },
      { ...start, id: 'x', type: 'network', attributes: { name: 'c1' } },
      { ...start, id: 'c10' },
      { ...start, id: 'x', attributes: { name: 'c10' } },
      { ...start, id: 'c' },
    ];
    lanes.index.scan(runOf(events), events.length + 1);
    lanes.index.take();
    assert.equal(lane.head.events, 3);
  });
});
