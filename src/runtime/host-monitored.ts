import { Monitored } from '../actors/monitored.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import type { MonitoredCommand, MonitoredNotice } from '../messages/monitored.ts';
import type { HostInit } from './actor-init.ts';
import type { DoorHooks } from './door-hooks.ts';
import { countersOf, type Hosted, outbox } from './hosting.ts';

export async function hostMonitored(init: HostInit, hooks: DoorHooks): Promise<Hosted> {
  const fifoFd = init.fifoFd!;
  const main = outbox<MonitoredNotice>(init, 'main');
  const monitored = new Monitored({
    source: await hooks.openSource(fifoFd),
    ring: new IntakeRing(init.memory.intakeRing),
    collector: outbox(init, 'collector'),
    main,
    counters: countersOf(init),
  });
  const driver = await hooks.driveIntake(monitored, fifoFd, (why) => main.post({ type: 'intake-polled', why }));
  init.links.listen<MonitoredCommand>((message) => {
    monitored.receive(message);
    driver.wake();
  });
  return { control: {}, relinked: () => driver.wake(), stop: () => driver.close() };
}
