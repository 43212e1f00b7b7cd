import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Posix } from '../../../src/doors/posix.ts';
import { ServiceManager } from '../../../src/doors/service-manager.ts';
import { waitFor } from '../../support/daemon.ts';

const PID = 42;

/** A manager that hears, and what it has heard. */
function listening(env: Record<string, string | undefined>, refusals = 0) {
  const heard: string[] = [];
  const reports: string[] = [];
  let refused = 0;
  const posix = {
    sendDatagram(address: string, message: Uint8Array, fds: readonly number[]) {
      if (refused < refusals) {
        refused += 1;
        return -1;
      }
      heard.push([address, Buffer.from(message).toString(), ...fds].join('|'));
      return message.length;
    },
  } as unknown as Posix;
  return { heard, reports, manager: ServiceManager.take(env, PID, posix, (message) => reports.push(message)) };
}

describe('what a service manager is told', () => {
  it('is nothing where there is none', () => {
    const { heard, manager } = listening({ WATCHDOG_USEC: '1000' });
    manager.ready('running');
    manager.store('fifo', 3);
    manager.watch(async () => assert.fail('nobody asks'))();
    assert.deepEqual(heard, []);
  });

  it('goes to the socket that the environment names, descriptors with it', () => {
    const { heard, manager } = listening({ NOTIFY_SOCKET: '@notify' });
    manager.ready('running');
    manager.stopping('draining');
    manager.mainPid(7);
    manager.store('fifo', 3);
    assert.deepEqual(heard, [
      '@notify|READY=1\nSTATUS=running',
      '@notify|STOPPING=1\nSTATUS=draining',
      '@notify|MAINPID=7',
      '@notify|FDSTORE=1\nFDNAME=fifo|3',
    ]);
  });

  it('is tried again while its socket is full, and given up with a word', () => {
    const patient = listening({ NOTIFY_SOCKET: '/n' }, 3);
    patient.manager.ready('running');
    assert.deepEqual([patient.heard.length, patient.reports], [1, []]);
    const hopeless = listening({ NOTIFY_SOCKET: '/n' }, Infinity);
    hopeless.manager.ready('running');
    assert.deepEqual(hopeless.reports, ['the service manager at /n cannot be told READY=1']);
  });

  it('is that the daemon works, as long as it does', async () => {
    const env = { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '4000', WATCHDOG_PID: String(PID) };
    const { heard, manager } = listening(env);
    // For this process alone: a successor has another pid.
    assert.equal(env.WATCHDOG_PID, undefined);
    const answers = [true, false, new Error('an actor does not answer'), true];
    let asked = 0;
    const end = manager.watch(async () => {
      const answer = answers[asked];
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer ?? false;
    });
    await waitFor(() => asked > answers.length, 'all answers');
    end();
    assert.deepEqual(heard, ['/n|WATCHDOG=1', '/n|WATCHDOG=1']);
  });

  it('is no such thing where the watchdog is another process’s', () => {
    const { manager } = listening({ NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '4000', WATCHDOG_PID: '1' });
    manager.watch(async () => assert.fail('nobody asks'))();
  });
});
