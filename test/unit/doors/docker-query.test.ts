import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOn, parseDockerQuery } from '../../../src/doors/docker-query.ts';
import type { Asked } from '../../../src/messages/control.ts';

const NOW = { sec: 1_795_474_212, nanos: 5 };
const START = { from: 'time', time: { sec: 0, nanos: 0 } };

function parse(query: string): Asked {
  return parseDockerQuery(new URL(`http://x/events?${query}`), {
    format: 'docker-modern-lines-chunked',
    now: NOW,
    redact: true,
  });
}

describe('the query of Docker\u2019s /events', () => {
  it('begins live without bounds, with history from since on, and with all of it for until alone', () => {
    assert.deepEqual(parse('').start, { from: 'live' });
    assert.deepEqual(parse('since=&until=').start, { from: 'live' });
    assert.deepEqual(parse('since=100.5').start, { from: 'time', time: { sec: 100, nanos: 500_000_000 } });
    assert.deepEqual(parse('until=100').start, START);
    assert.deepEqual(parse('until=100').until, { sec: 100, nanos: 0 });
  });

  it('holds no live event back for a since to come', () => {
    assert.deepEqual(parse('since=1795474213').start, { from: 'live' });
    assert.deepEqual(parse('since=1795474212.000000005').start, { from: 'time', time: NOW });
    assert.deepEqual(parse('since=1795474212000').start, { from: 'live' });
  });

  it('shows all of history and ends for an until of 0 or less', () => {
    for (const until of ['0', '-1', '-5.5', '0.0']) {
      const { start, follow, until: bound } = parse(`until=${until}`);
      assert.deepEqual([start, follow, bound], [START, false, undefined], until);
    }
    assert.equal(parse('until=100').follow, true);
    assert.deepEqual(parse('since=-1').start, START);
    assert.deepEqual(parse('since=0').start, START);
  });

  it('reads seconds as Docker does', () => {
    assert.deepEqual(parse('since=%2B5').start, { from: 'time', time: { sec: 5, nanos: 0 } });
    assert.deepEqual(parse('since=1.').start, { from: 'time', time: { sec: 1, nanos: 0 } });
    assert.deepEqual(parse('since=1.1234567899').start, { from: 'time', time: { sec: 1, nanos: 123_456_789 } });
    assert.equal(parse('until=99999999999').until, undefined);
    for (const text of ['abc', '1e9', '0x10', '.5', '%201', '1.x', `1.${'1'.repeat(21)}`, '1'.repeat(25)])
      assert.throws(
        () => parse(`since=${text}`),
        { code: 'ERR_TIME_INVALID', message: /^invalid value for 'since': / },
        text,
      );
  });

  it('takes RFC 3339 and durations as well', () => {
    assert.deepEqual(parse('since=1970-01-01T00:00:07Z').start, { from: 'time', time: { sec: 7, nanos: 0 } });
    assert.deepEqual(parse('since=2s').start, { from: 'time', time: { sec: 1_795_474_210, nanos: 5 } });
  });

  it('refuses a since behind until with Docker\u2019s words', () => {
    assert.throws(() => parse('since=20&until=10'), {
      code: 'ERR_SINCE_AFTER_UNTIL',
      message: '`since` time (20) cannot be after `until` time (10)',
    });
    parse('since=10&until=10');
  });

  it('lets the first of several count, and passes over what it does not know', () => {
    assert.deepEqual(parse('since=5&since=abc&colour=red').start, { from: 'time', time: { sec: 5, nanos: 0 } });
  });

  it('begins behind the cursor of after, whatever since says, up to until', () => {
    const behind = { from: 'cursor', cursor: 'testlog2-7' };
    for (const query of ['after=testlog2-7', 'after=testlog2-7&since=5', 'since=20&until=10&after=testlog2-7&after=x'])
      assert.deepEqual(parse(query).start, behind, query);
    assert.deepEqual(parse('after=testlog2-7&until=10').until, { sec: 10, nanos: 0 });
    assert.equal(parse('after=testlog2-7&until=0').follow, false);
    assert.deepEqual(parse('after=&since=5').start, { from: 'time', time: { sec: 5, nanos: 0 } });
  });

  it('takes a heartbeat in seconds, and none unless it is asked for', () => {
    assert.equal(parse('').heartbeatMs, 0);
    assert.equal(parse('heartbeat=').heartbeatMs, 0);
    assert.equal(parse('heartbeat=30').heartbeatMs, 30_000);
    for (const text of ['-1', '1.5', '3601', 'often'])
      assert.throws(() => parse(`heartbeat=${text}`), { code: 'ERR_PARAMETER_INVALID' }, text);
  });

  it('is quiet on request only', () => {
    assert.deepEqual([parse('').quiet, parse('quiet=1').quiet, parse('quiet=0').quiet], [false, true, false]);
  });

  it('shows what no engine told on request only', () => {
    assert.deepEqual(
      ['', 'synthetic=1', 'synthetic=0'].map((query) => parse(query).synthetic),
      [false, true, false],
    );
  });

  it('reads switches as Docker does', () => {
    const { searchParams } = new URL('http://x/?a=&b=0&c=No&d=false&e=none&f=1&g=true&h=x');
    assert.equal(
      'abcdefghi'
        .split('')
        .filter((name) => isOn(searchParams, name))
        .join(''),
      'fgh',
    );
  });

  it('refuses what Go\u2019s parser refuses', () => {
    assert.throws(() => parse('since=1;until=2'), { message: 'invalid semicolon separator in query' });
    assert.throws(() => parse('since=%zz'), { message: 'invalid URL escape "%zz"' });
    assert.throws(() => parse('filters=[]'), { code: 'ERR_FILTER_INVALID', message: 'invalid filter' });
  });
});
