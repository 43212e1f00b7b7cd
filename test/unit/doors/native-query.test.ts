import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNativeQuery } from '../../../src/doors/native-query.ts';
import type { Asked } from '../../../src/messages/control.ts';

const NOW = { sec: 1_795_474_212, nanos: 5 };
const CURSOR = 'testlog2-7';
const BEHIND = { from: 'cursor', cursor: CURSOR };

function parse(query: string, lastEventId?: string, heartbeatSec = 15): Asked {
  return parseNativeQuery(new URLSearchParams(query), {
    format: 'sse-chunked',
    now: NOW,
    redact: true,
    heartbeatSec,
    lastEventId,
  });
}

describe('the query of /v1/events', () => {
  it('begins live, at a time, or behind a cursor', () => {
    assert.deepEqual(parse('').start, { from: 'live' });
    assert.deepEqual(parse('since=100').start, { from: 'time', time: { sec: 100, nanos: 0 } });
    assert.deepEqual(parse(`after=${CURSOR}`).start, BEHIND);
    assert.throws(() => parse(`after=${CURSOR}&since=100`), { code: 'ERR_PARAMETER_INVALID' });
  });

  it('lets the last event id win over since and after, of which the first request made use', () => {
    for (const query of ['', 'since=100', 'since=200&until=100', 'after=testlog2-3'])
      assert.deepEqual(parse(query, CURSOR).start, BEHIND, query);
    assert.deepEqual(parse('until=100', CURSOR).until, { sec: 100, nanos: 0 });
  });

  it('refuses with a last event id what it refuses without', () => {
    for (const query of ['since=yesterday', `after=${CURSOR}&since=100`, 'until=never'])
      assert.throws(() => parse(query, CURSOR), { name: 'TocsinError' }, query);
  });

  it('takes an empty last event id for none', () => {
    assert.deepEqual(parse('since=100', '').start, { from: 'time', time: { sec: 100, nanos: 0 } });
  });

  it('is quiet on request only', () => {
    assert.deepEqual([parse('').quiet, parse('quiet=1').quiet, parse('quiet=false').quiet], [false, true, false]);
  });

  it('has the heartbeat of its form unless it gives one', () => {
    assert.equal(parse('').heartbeatMs, 15_000);
    assert.equal(parse('', undefined, 0).heartbeatMs, 0);
    assert.equal(parse('heartbeat=2').heartbeatMs, 2_000);
    assert.equal(parse('heartbeat=0').heartbeatMs, 0);
  });
});
