import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Monitored } from '../../../src/actors/monitored.ts';
import { driveIntake } from '../../../src/doors/fifo-intake.ts';
import { waitFor } from '../../support/daemon.ts';

/** Counts how often the FIFO is looked at, which is always empty. */
class IdleMonitored {
  pumps = 0;

  pump(): { readonly records: number; readonly state: 'empty' } {
    this.pumps += 1;
    return { records: 0, state: 'empty' };
  }
}

describe('driveIntake', () => {
  function drive(test: TestContext, polled: (why: string) => void = () => {}): IdleMonitored {
    const monitored = new IdleMonitored();
    const driver = driveIntake(monitored as unknown as Monitored, 0, polled);
    test.after(() => driver.close());
    return monitored;
  }

  it('polls the FIFO once its watch is lost, and watches again', async (test) => {
    const watchers: EventEmitter[] = [];
    const watch = (): EventEmitter => {
      const watcher = Object.assign(new EventEmitter(), { close() {} });
      watchers.push(watcher);
      return watcher;
    };
    test.mock.method(fs, 'watch', watch);
    const monitored = drive(test);
    assert.equal(monitored.pumps, 1, 'the kernel tells when there is something');
    watchers[0]!.emit('error', new Error('the watch is gone'));
    await waitFor(() => watchers.length === 2, 'another watch');
    assert.ok(monitored.pumps > 10, 'it was looked at meanwhile');
  });

  it('polls the FIFO as long as there is no watch to be had', async (test) => {
    let hasWatches = false;
    let watches = 0;
    const watch = (): EventEmitter => {
      if (!hasWatches) throw Object.assign(new Error('no watch is left'), { code: 'ENOSPC' });
      watches += 1;
      return Object.assign(new EventEmitter(), { close() {} });
    };
    test.mock.method(fs, 'watch', watch);
    const told: string[] = [];
    const monitored = drive(test, (why) => told.push(why));
    await waitFor(() => monitored.pumps > 40, 'many looks');
    hasWatches = true;
    await waitFor(() => watches === 1, 'a watch');
    assert.deepEqual(told, ['no watch is left'], 'said once');
  });
});
