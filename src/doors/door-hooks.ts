import type { DoorHooks } from '../runtime/actor-host.ts';
import { driveIntake, openSource } from './fifo-intake.ts';
import { openShardDoors } from './shard-doors.ts';

/** Files and sockets for the actors that need them. */
export const doorHooks: DoorHooks = { openSource, driveIntake, openDoors: openShardDoors };
