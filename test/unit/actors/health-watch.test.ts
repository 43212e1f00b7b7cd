import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HealthWatch } from '../../../src/actors/health-watch.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { BASE_SEC, viewOf } from '../../support/log.ts';
import { eventOfLine } from '../../support/packed.ts';
import { recordedLines } from '../../support/vectors.ts';

const COMMAND = '/bin/sh -c true';
let lastExec = 0;

function exec(id: string, command = COMMAND): NewEvent[] {
  lastExec += 1;
  const attributes = { execID: `e${lastExec}` };
  return [
    { type: 'container', action: 'exec_create', args: command, id, attributes },
    { type: 'container', action: 'exec_start', args: command, id, attributes },
    { type: 'container', action: 'exec_die', id, exitCode: 0, attributes },
  ];
}

function health(id: string, args: string): NewEvent {
  return { type: 'container', action: 'health_status', args, id };
}

/** Which of the events say nothing new, by the words of their actions. */
function repeated(events: readonly NewEvent[], watch = new HealthWatch()): string[] {
  return events
    .filter((event) => watch.repeats(viewOf(event, { time: event.time ?? { sec: BASE_SEC, nanos: 0 } })))
    .map(({ action }) => action);
}

const CHECK = ['exec_create', 'exec_start', 'exec_die'] as const;

describe('HealthWatch', () => {
  it('finds what a real engine sent of a health check, from the first health on', () => {
    const watch = new HealthWatch();
    const quiet = recordedLines('docker-events-format-json.jsonl').filter(
      (line) => !watch.repeats(viewOf(eventOfLine(line), { time: eventOfLine(line).time! })),
    );
    const left = quiet.filter((line) => line.includes('"name":"h1"') && /"Action":"(exec|health)/.test(line));
    assert.deepEqual(
      left.map((line) => /"Action":"(\w+)/.exec(line)?.[1]),
      [...CHECK, 'health_status'],
    );
    assert.equal(quiet.filter((line) => line.includes('"app":"web"') && line.includes('"Action":"exec_')).length, 6);
  });

  it('learns the command of a check when a health is told right behind its end', () => {
    const learned = [...exec('c1'), health('c1', 'healthy')];
    assert.deepEqual(repeated([...learned, ...exec('c1')]), CHECK);
    assert.deepEqual(repeated([...learned, ...exec('c1', 'ls')]), []);
    assert.deepEqual(repeated([...learned, ...exec('c2')]), [], 'of another container');
    assert.deepEqual(repeated([...exec('c1'), ...exec('c1')]), [], 'without any health');
  });

  it('learns nothing from a command that ended long before, or while another one has begun', () => {
    const [create, start, die] = exec('c1', 'ls');
    const late = { ...health('c1', 'healthy'), time: { sec: BASE_SEC + 2, nanos: 0 } };
    assert.deepEqual(repeated([create!, start!, die!, late, ...exec('c1', 'ls')]), []);
    const [other] = exec('c1');
    assert.deepEqual(repeated([create!, start!, die!, other!, health('c1', 'healthy'), ...exec('c1', 'ls')]), []);
  });

  it('finds a health that was told before, and not a change', () => {
    const statuses = ['healthy', 'healthy', 'unhealthy', 'unhealthy', 'healthy'].map((status) => health('c1', status));
    assert.equal(repeated(statuses).length, 2);
    assert.equal(repeated([health('c1', 'healthy'), health('c2', 'healthy')]).length, 0);
    assert.equal(repeated([health('c1', ''), health('c1', '')]).length, 0, 'what says nothing does not repeat');
  });

  it('forgets a container with its end', () => {
    const learned = [...exec('c1'), health('c1', 'healthy')];
    for (const action of ['destroy', 'remove']) {
      const gone: NewEvent = { type: 'container', action, id: 'c1' };
      assert.deepEqual(repeated([...learned, gone, ...exec('c1'), health('c1', 'healthy')]), []);
    }
  });

  it('takes the first health of another run for news, and still knows the check', () => {
    const die: NewEvent = { type: 'container', action: 'die', id: 'c1', exitCode: 1 };
    const learned = [...exec('c1'), health('c1', 'healthy')];
    assert.deepEqual(repeated([...learned, die, ...exec('c1'), health('c1', 'healthy')]), CHECK);
  });

  it('looks at containers only', () => {
    const strange = (events: readonly NewEvent[]): NewEvent[] => events.map((event) => ({ ...event, type: 'volume' }));
    assert.deepEqual(repeated(strange([...exec('c1'), health('c1', 'healthy'), ...exec('c1')])), []);
  });

  it('remembers a bounded number of containers and of commands that run, the newest', () => {
    const watch = new HealthWatch();
    repeated([health('first', 'healthy')], watch);
    for (let n = 0; n < 4096; n += 1) repeated([health(`c${n}`, 'healthy')], watch);
    assert.deepEqual(repeated([health('first', 'healthy'), health('c4000', 'healthy')], watch), ['health_status']);
    repeated([...exec('c1'), health('c1', 'healthy')], watch);
    const [create, start, die] = exec('c1');
    assert.equal(repeated([create!, start!], watch).length, 2);
    for (let n = 0; n < 64; n += 1) repeated(exec('c1', 'sleep').slice(0, 2), watch);
    assert.deepEqual(repeated([die!], watch), [], 'nobody knows any more what that was');
  });
});
