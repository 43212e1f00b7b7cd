import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TocsinError } from '../../../src/event/errors.ts';
import type { Timestamp } from '../../../src/event/event.ts';
import {
  addNanos,
  compareTime,
  formatLocalTime,
  formatTime,
  parseDurationMs,
  parseTime,
  parseTimeNano,
  timeNano,
} from '../../../src/event/time.ts';

const MAX_SEC = 2 ** 32 - 1;
const NOW: Timestamp = { sec: 1_700_000_000, nanos: 500 };
const ZONES = ['UTC', 'Asia/Shanghai', 'America/St_Johns', 'Europe/Berlin', 'Africa/Monrovia', 'Pacific/Kiritimati'];

const anySec = fc.oneof(fc.integer({ min: 0, max: MAX_SEC }), fc.constantFrom(0, 1, MAX_SEC));
const anyNanos = fc.oneof(fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(0, 1, 999_999_999));
const timestamp = fc.tuple(anySec, anyNanos).map(([sec, nanos]): Timestamp => ({ sec, nanos }));

/** Also with halves of surrogate pairs. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));

function inZone(zone: string, run: () => void): void {
  const before = process.env.TZ;
  process.env.TZ = zone;
  try {
    run();
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
}

function parses(text: string, sec: number, nanos = 0): void {
  assert.deepEqual(parseTime(text, NOW), { sec, nanos }, text);
}

function rejects(text: string, zone?: 'utc' | 'local'): void {
  assert.throws(() => parseTime(text, NOW, zone), { code: 'ERR_TIME_INVALID' }, text);
}

describe('parseTime', () => {
  it('reads RFC 3339 with a zone', () => {
    parses('2022-05-10T17:20:34.6618621Z', 1652203234, 661862100);
    parses('2022-05-10T17:20:34Z', 1652203234);
    parses('2022-05-10t17:20:34z', 1652203234);
    parses('2022-05-10 17:20:34+08:00', 1652174434);
    parses('2022-05-10T17:20:34.000000001+08:00', 1652174434, 1);
    parses('2022-05-10T17:20:34-03:30', 1652215834);
    parses('1969-12-31T20:30:00-03:30', 0);
    parses('1970-01-01T08:00:00+08:00', 0);
    parses('2106-02-07T06:28:15.999999999Z', MAX_SEC, 999999999);
    parses('2106-02-07T07:28:15+01:00', MAX_SEC);
  });

  it('reads a calendar time without zone, down to the day, as UTC', () => {
    parses('2022-05-10', 1652140800);
    parses('2022-05-10T17', 1652202000);
    parses('2022-05-10T17:20', 1652203200);
    parses('2022-05-10 17:20:34', 1652203234);
    parses('2022-05-10T17:20:34.1', 1652203234, 100000000);
    parses('2022-05-10T17:20:34.123456789', 1652203234, 123456789);
    parses('2024-02-29', 1709164800);
  });

  it('reads a calendar time without zone in the local zone when asked', () => {
    inZone('Asia/Shanghai', () => {
      assert.deepEqual(parseTime('2022-05-10T17:20:34.5', NOW, 'local'), { sec: 1652174434, nanos: 500000000 });
      assert.deepEqual(parseTime('1970-01-01T08:00', NOW, 'local'), { sec: 0, nanos: 0 });
      rejects('1970-01-01T07:59', 'local');
    });
    inZone('America/St_Johns', () => {
      assert.deepEqual(parseTime('2022-01-10', NOW, 'local'), { sec: 1641785400, nanos: 0 });
      assert.deepEqual(parseTime('2022-07-10', NOW, 'local'), { sec: 1657420200, nanos: 0 });
    });
    inZone('UTC', () => {
      assert.deepEqual(parseTime('2022-05-10', NOW, 'local'), { sec: 1652140800, nanos: 0 });
    });
  });

  it('lets a zone in the text win over the local zone', () => {
    inZone('Asia/Shanghai', () => {
      assert.deepEqual(parseTime('2022-05-10T17:20:34Z', NOW, 'local'), { sec: 1652203234, nanos: 0 });
    });
  });

  it('takes the offset before the change for a local time that a clock change skips or repeats', () => {
    inZone('Europe/Berlin', () => {
      assert.equal(formatTime(parseTime('2026-03-29T02:30', NOW, 'local')), '2026-03-29T01:30:00.000000000Z');
      assert.equal(formatTime(parseTime('2026-10-25T02:30', NOW, 'local')), '2026-10-25T00:30:00.000000000Z');
    });
  });

  it('reads plain digits as unix seconds, whatever they look like', () => {
    parses('2026', 2026);
    parses('20220510', 20220510);
    parses('0', 0);
    parses('0001652174434', 1652174434);
    parses(String(MAX_SEC), MAX_SEC);
  });

  it('keeps the fraction of unix seconds to the nanosecond and cuts the rest off', () => {
    parses('1652174434.6618621', 1652174434, 661862100);
    parses('1652174434.000000001', 1652174434, 1);
    parses('1652174434.9999999999', 1652174434, 999999999);
    parses(`4294967295.${'9'.repeat(200)}`, MAX_SEC, 999999999);
  });

  it('reads a Go duration as that long ago, a negative one as ahead', () => {
    const at = (seconds: number) => NOW.sec - seconds;
    parses('10m', at(600), 500);
    parses('1h30m', at(5400), 500);
    parses('1.5h', at(5400), 500);
    parses('.5s', at(1), 500_000_500);
    parses('1.s', at(1), 500);
    parses('0s', at(0), 500);
    parses('+3s', at(3), 500);
    parses('-3s', at(-3), 500);
    parses('-1.000000001s', at(-1), 501);
    parses('501ns', at(1), 999_999_999);
    parses('1us', at(1), 999_999_500);
    parses('1\u00b5s', at(1), 999_999_500);
    parses('1\u03bcs', at(1), 999_999_500);
    parses('1m1ms', at(61), 999_000_500);
    parses('1.9ns', at(0), 499);
  });

  it('clamps a duration to 1970, and refuses one that leads beyond 2106', () => {
    parses('1000000h', 0);
    parses(`${'9'.repeat(60)}h`, 0);
    rejects('-1000000h');
    rejects(`-${'9'.repeat(60)}h`);
  });

  it('checks the calendar and the clock', () => {
    for (const day of ['2026-13-01', '2026-00-01', '2026-01-00', '2026-02-30', '2025-02-29', '2026-04-31'])
      rejects(day);
    for (const clock of ['24:00:00', '23:60:00', '23:59:60', '25:00:00']) rejects(`2026-05-10T${clock}Z`);
    rejects('2016-12-31T23:59:60Z');
    rejects('2026-05-10T24');
    rejects('2026-05-10T10:00:00+24:00');
    rejects('2026-05-10T10:00:00+08:60');
    rejects('2026-02-30', 'local');
  });

  it('refuses times that unsigned 32-bit seconds cannot hold', () => {
    rejects('1969-12-31T23:59:59Z');
    rejects('1970-01-01T00:00:00+00:01');
    rejects('2106-02-07T06:28:16Z');
    rejects('0070-01-01');
    rejects('0070-01-01', 'local');
    rejects('9999-12-31T23:59:59Z');
    rejects('4294967296');
    rejects('9'.repeat(400));
  });

  it('refuses everything else', () => {
    for (const text of ['', ' ', 'now', 'Infinity', 'NaN', '.', '-', '+', '\u0661\u0662']) rejects(text);
    for (const text of ['10x', '10M', 'm', '.s', '--3s', '1,5h', '1h 30m', '10 m', ' 10m', '10m ', '10m\n'])
      rejects(text);
    for (const text of ['-5', '.5', '1652174434.', '1652174434 ', '1e9', '0x10', '1_000']) rejects(text);
    for (const text of ['2022-5-10', '2022-05', '2022-05-10T', '+2022-05-10', '2022-05-10Z']) rejects(text);
    for (const tail of ['7:2', '7:20Z', '7:20:34.', '7:20:34,5', '7:20:34.1234567890Z']) rejects(`2022-05-10T1${tail}`);
    for (const zone of ['+0800', '+08', '+8:00', ' Z', 'Z ', 'UTC', 'Z+08:00']) rejects(`2022-05-10T17:20:34${zone}`);
  });

  it('quotes the text in its error, cut to 64 characters', () => {
    const long = `${'x'.repeat(64)}y`;
    assert.throws(
      () => parseTime(long, NOW),
      (error: Error) => {
        assert.ok(error.message.includes(JSON.stringify('x'.repeat(64))), error.message);
        return true;
      },
    );
    assert.throws(() => parseTime('tea"time', NOW), { message: /"tea\\"time"/ });
  });

  it('throws nothing but ERR_TIME_INVALID and returns nothing but times in range', () => {
    const pieces = [
      '2022',
      '-',
      '05',
      '10',
      'T',
      ':',
      '20',
      '.',
      'Z',
      '+',
      '1',
      '9',
      'h',
      'm',
      's',
      'ns',
      'µ',
      ' ',
      '60',
    ];
    const text = fc.oneof(
      anyText,
      fc.array(fc.constantFrom(...pieces)).map((some) => some.join('')),
    );
    fc.assert(
      fc.property(text, timestamp, fc.constantFrom('utc' as const, 'local' as const), (input, now, zone) => {
        try {
          const { sec, nanos } = parseTime(input, now, zone);
          assert.ok(Number.isInteger(sec) && sec >= 0 && sec <= MAX_SEC, `${sec}`);
          assert.ok(Number.isInteger(nanos) && nanos >= 0 && nanos <= 999_999_999, `${nanos}`);
        } catch (error) {
          assert.ok(error instanceof TocsinError && error.code === 'ERR_TIME_INVALID', String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('formatTime and formatLocalTime', () => {
  it('write UTC with nine digits and a Z', () => {
    assert.equal(formatTime({ sec: 1778404834, nanos: 661862100 }), '2026-05-10T09:20:34.661862100Z');
    assert.equal(formatTime({ sec: 0, nanos: 0 }), '1970-01-01T00:00:00.000000000Z');
    assert.equal(formatTime({ sec: MAX_SEC, nanos: 7 }), '2106-02-07T06:28:15.000000007Z');
  });

  it('write the local zone with its offset', () => {
    const time = { sec: 1652174434, nanos: 661862100 };
    const written = (zone: string, at: Timestamp = time) => {
      let text = '';
      inZone(zone, () => {
        text = formatLocalTime(at);
      });
      return text;
    };
    assert.equal(written('Asia/Shanghai'), '2022-05-10T17:20:34.661862100+08:00');
    assert.equal(written('UTC'), '2022-05-10T09:20:34.661862100+00:00');
    assert.equal(written('America/St_Johns', { sec: 1641785400, nanos: 0 }), '2022-01-10T00:00:00.000000000-03:30');
    assert.equal(written('America/St_Johns', { sec: 1657420200, nanos: 0 }), '2022-07-10T00:00:00.000000000-02:30');
    assert.equal(written('America/St_Johns', { sec: 0, nanos: 0 }), '1969-12-31T20:30:00.000000000-03:30');
  });

  it('parse back exactly', () => {
    fc.assert(
      fc.property(timestamp, fc.constantFrom('utc' as const, 'local' as const), (time, zone) => {
        assert.deepEqual(parseTime(formatTime(time), NOW, zone), time);
      }),
    );
  });

  for (const zone of ZONES) {
    it(`parse back exactly in ${zone}`, () => {
      inZone(zone, () => {
        fc.assert(fc.property(timestamp, (time) => assert.deepEqual(parseTime(formatLocalTime(time), NOW), time)));
      });
    });
  }

  it('sort as text like the times they show', () => {
    fc.assert(
      fc.property(timestamp, timestamp, (a, b) => {
        const [x, y] = [formatTime(a), formatTime(b)];
        assert.equal(x < y ? -1 : x > y ? 1 : 0, Math.sign(compareTime(a, b)));
      }),
    );
  });
});

describe('timeNano', () => {
  it('is the number of nanoseconds, without leading zeros', () => {
    assert.equal(timeNano({ sec: 0, nanos: 0 }), '0');
    assert.equal(timeNano({ sec: 0, nanos: 7 }), '7');
    assert.equal(timeNano({ sec: 1, nanos: 7 }), '1000000007');
    assert.equal(timeNano({ sec: 1652174434, nanos: 661862100 }), '1652174434661862100');
    fc.assert(
      fc.property(timestamp, (time) => {
        assert.equal(timeNano(time), String(BigInt(time.sec) * 1_000_000_000n + BigInt(time.nanos)));
      }),
    );
  });

  it('is read back by parseTimeNano', () => {
    fc.assert(fc.property(timestamp, (time) => assert.deepEqual(parseTimeNano(timeNano(time)), time)));
    for (const text of ['', '-1', '1.5', '1e3', ' 1', '4294967296000000000', '9'.repeat(40)]) {
      assert.throws(() => parseTimeNano(text), { code: 'ERR_TIME_INVALID' }, text);
    }
  });
});

describe('parseDurationMs', () => {
  it('reads Go durations without sign as milliseconds', () => {
    assert.equal(parseDurationMs('10s'), 10_000);
    assert.equal(parseDurationMs('250ms'), 250);
    assert.equal(parseDurationMs('1m30s'), 90_000);
    assert.equal(parseDurationMs('1.5h'), 5_400_000);
    assert.equal(parseDurationMs('1500us'), 1.5);
    assert.equal(parseDurationMs('0'), 0);
    assert.equal(parseDurationMs('0s'), 0);
  });

  it('knows nothing else', () => {
    for (const text of [
      '',
      '10',
      '-1s',
      '+1s',
      '1 s',
      '00',
      '1s ',
      '1d',
      's',
      'Infinity',
      'NaNs',
      `${'9'.repeat(400)}h`,
    ]) {
      assert.equal(parseDurationMs(text), undefined, text);
    }
  });

  it('is finite and not negative for every text', () => {
    const pieces = fc
      .array(fc.constantFrom('1', '0', '999', '.', 'h', 'm', 's', 'ms', '-', '+'))
      .map((some) => some.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), pieces), (text) => {
        const ms = parseDurationMs(text);
        assert.ok(ms === undefined || (Number.isFinite(ms) && ms >= 0));
      }),
    );
  });
});

describe('addNanos', () => {
  it('carries into the seconds', () => {
    assert.deepEqual(addNanos({ sec: 1, nanos: 999_999_999 }, 1), { sec: 2, nanos: 0 });
    assert.deepEqual(addNanos({ sec: 1, nanos: 5 }, 0), { sec: 1, nanos: 5 });
    assert.deepEqual(addNanos({ sec: 0, nanos: 999_999_999 }, 2_500_000_001), { sec: 3, nanos: 500_000_000 });
  });

  it('is exact for every safe integer', () => {
    fc.assert(
      fc.property(timestamp, fc.maxSafeNat(), (time, nanos) => {
        const sum = addNanos(time, nanos);
        assert.equal(timeNano(sum), String(BigInt(timeNano(time)) + BigInt(nanos)));
        assert.ok(sum.nanos < 1_000_000_000);
        assert.ok(nanos === 0 || compareTime(sum, time) > 0);
      }),
    );
  });
});
