import { ClientsChecker } from '../actors/clients-checker.ts';
import { ClientTable } from '../messages/client-table.ts';
import type { ClientsCheckerCommand } from '../messages/clients-checker.ts';
import { LogState } from '../messages/log-state.ts';
import type { HostInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { type Hosted, outbox, shardNames } from './hosting.ts';

/** How often clients and their times are looked at. */
const CHECK_MS = 250;

export function hostClientsChecker(init: HostInit): Hosted {
  const checker = new ClientsChecker({
    clients: new ClientTable(init.memory.clients),
    logState: new LogState(init.memory.logState),
    clock: systemClock(),
    collector: outbox(init, 'collector'),
    shards: shardNames(init.shards).map((name) => outbox(init, name)),
  });
  init.links.listen<ClientsCheckerCommand>((message) => checker.receive(message));
  const timer = setInterval(() => checker.tick(), CHECK_MS);
  return { control: {}, stop: () => clearInterval(timer) };
}
