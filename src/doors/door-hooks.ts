import type { DoorHooks } from '../runtime/door-hooks.ts';

/** Files and sockets for the actors that need them; loaded on the thread that does. */
export const doorHooks: DoorHooks = {
  openSource: async (fifoFd) => (await import('./fifo-intake.ts')).openSource(fifoFd),
  driveIntake: async (...args) => (await import('./fifo-intake.ts')).driveIntake(...args),
  openEngine: async (address) => (await import('./engine.ts')).openEngine(address),
  openDoors: async (fanout, init, counters) =>
    (await import('./shard-doors.ts')).openShardDoors(fanout, init, counters),
};
