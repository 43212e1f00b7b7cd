import { doorHooks } from './doors/door-hooks.ts';
import { hostThisThread } from './runtime/worker-entry.ts';

// The entry of every actor thread.
hostThisThread(doorHooks);
