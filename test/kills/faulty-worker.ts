import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData, MessagePort, parentPort, workerData } from 'node:worker_threads';
import sonicBoom from 'sonic-boom';
import { doorHooks } from '../../src/doors/door-hooks.ts';
import { LogReader } from '../../src/history/log-reader.ts';
import { Segment } from '../../src/history/segment.ts';
import { CommitJournal } from '../../src/messages/commit-journal.ts';
import { IntakeRing } from '../../src/messages/intake-ring.ts';
import { PublishRing } from '../../src/messages/publish-ring.ts';
import { RingProgress } from '../../src/messages/ring-progress.ts';
import { hostThisThread } from '../../src/runtime/worker-entry.ts';
import { FaultPlan, hash, type Kind, type Window, WINDOWS } from './fault-plan.ts';

// The entry of an actor's thread that dies where the test's plan says: the actor's own code, and a look at the plan before and
// behind each step by which work is handed over.
const plan = new FaultPlan(getEnvironmentData('faults') as SharedArrayBuffer);
const actor = hash(workerData as string);
// The test ends the thread from outside, too.
parentPort!.postMessage({ actor: workerData as string });

function die(kind: Kind): void {
  switch (kind) {
    case 'throw':
      // Not here, where somebody might catch it.
      process.nextTick(() => {
        throw new Error('planned death');
      });
      return;
    case 'loop':
      for (;;);
    case 'heap': {
      // No large allocation: that would end the whole process.
      let hoard: unknown;
      for (;;) hoard = { hoard, more: [hoard, 1, 2, 3] };
    }
    case 'terminate':
      parentPort!.postMessage({ terminate: true });
      // It comes in the midst of this.
      for (;;);
    case 'exit':
      process.exit(1);
  }
}

function pass(window: number): void {
  const kind = plan.passes(actor, window);
  if (kind) die(kind);
}

function around(window: Window, target: object, method: string): void {
  const index = WINDOWS.indexOf(window);
  const methods = target as Record<string, (this: unknown, ...args: unknown[]) => unknown>;
  const original = methods[method]!;
  methods[method] = function (...args) {
    pass(index);
    const result = original.apply(this, args);
    pass(index);
    return result;
  };
}

around('journal.prepare', CommitJournal.prototype, 'prepare');
around('journal.commit', CommitJournal.prototype, 'commit');
around('progress.prepare', RingProgress.prototype, 'prepare');
around('intake.commit', IntakeRing.prototype, 'commit');
around('intake.release', IntakeRing.prototype, 'release');
around('publish.release', PublishRing.prototype, 'release');
around('publish.answered', PublishRing.prototype, 'writeAnswer');
around('segment.commit', Segment.prototype, 'commit');
around('port.post', MessagePort.prototype, 'postMessage');
around('log.take', LogReader.prototype, 'take');
around('file.write', sonicBoom.SonicBoom.prototype, 'write');
around('fifo.read', fs, 'readSync');
syncBuiltinESMExports();
const turn = WINDOWS.indexOf('turn');
setInterval(() => pass(turn), 1).unref();
// Warnings of so many listeners are not what is tested.
EventEmitter.defaultMaxListeners = 100;

hostThisThread(doorHooks);
