import { isRange, utf8 } from '../codec/bytes.ts';
import { TYPE_CONTAINER } from '../codec/docker-event.ts';
import { type EventView, readUint16 } from '../codec/event-record.ts';
import { EVENT } from '../messages/layout.ts';

/** Bounds of what is remembered; beyond them the oldest goes, and is then nothing that repeats. */
const MAX_CONTAINERS = 4096;
const MAX_RUNNING = 64;
const MAX_COMMAND_BYTES = 4096;
/** An engine tells a new health at once when the check has ended. */
const VERDICT_SEC = 1;

const KEY_EXEC = utf8('execID');
const ACTION_CREATED = utf8('exec_create');
const ACTION_STARTED = utf8('exec_start');
const ACTION_ENDED = utf8('exec_die');
const ACTION_STATUS = utf8('health_status');
const ACTION_DIED = utf8('die');
/** Docker's word and podman's. */
const ACTION_DESTROYED = utf8('destroy');
const ACTION_REMOVED = utf8('remove');
const FIRST_LETTERS: ReadonlySet<number | undefined> = new Set([0x64, 0x65, 0x68, 0x72]);

/** Stands for a text, which need not be decoded: with 53 bits, two of them that are alike are not to be expected on any host. */
type Fingerprint = number;

/** What is known of one container. */
interface Health {
  /** The command of its health check. */
  check: Fingerprint | undefined;
  status: string;
  /** Commands that run, by the id of the exec. */
  readonly running: Map<Fingerprint, Fingerprint>;
  /** The command that ended last; gone once another one has begun. */
  ended: Fingerprint | undefined;
  endedSec: number;
}

/**
 * Tells what repeats from what is new: the execs of health checks, which are most of what some engines send, and a health that
 * is told again. No engine says which exec is a health check; but a new health is told right behind the end of one, so its command
 * is known from then on.
 */
export class HealthWatch {
  readonly #containers = new Map<Fingerprint, Health>();

  /** To be asked once for each event, in order. @returns whether it says nothing new */
  repeats(event: EventView): boolean {
    const from = event.at + EVENT.FIXED_BYTES + event.half(EVENT.TYPE_BYTES);
    const { bytes } = event;
    const first = bytes[from];
    // Nearly all events are of no interest here.
    if (!FIRST_LETTERS.has(first)) return false;
    if (!event.isOfType(TYPE_CONTAINER)) return false;
    const to = from + event.half(EVENT.ACTION_BYTES);
    const does = (action: Uint8Array): boolean => isRange(bytes, from, to, action);
    if (does(ACTION_CREATED) || does(ACTION_STARTED)) return this.#began(event);
    if (does(ACTION_ENDED)) return this.#ended(event);
    if (does(ACTION_STATUS)) return this.#told(event);
    if (does(ACTION_DIED)) this.#died(idOf(event));
    if (does(ACTION_DESTROYED) || does(ACTION_REMOVED)) this.#containers.delete(idOf(event));
    return false;
  }

  #began(event: EventView): boolean {
    const exec = execOf(event);
    const commandBytes = event.half(EVENT.ARGS_BYTES);
    if (exec === undefined || commandBytes === 0 || commandBytes > MAX_COMMAND_BYTES) return false;
    const from = argsAt(event);
    const command = fingerprint(event.bytes, from, from + commandBytes);
    const health = this.#of(idOf(event));
    health.ended = undefined;
    health.running.set(exec, command);
    dropOldest(health.running, MAX_RUNNING);
    return command === health.check;
  }

  #ended(event: EventView): boolean {
    const health = this.#containers.get(idOf(event));
    const exec = execOf(event);
    const command = exec === undefined ? undefined : health?.running.get(exec);
    if (!health || exec === undefined || command === undefined) return false;
    health.running.delete(exec);
    health.ended = command;
    health.endedSec = event.timeSec;
    return command === health.check;
  }

  #told(event: EventView): boolean {
    const { args: status } = event;
    const health = this.#of(idOf(event));
    if (event.timeSec - health.endedSec <= VERDICT_SEC) health.check = health.ended ?? health.check;
    health.ended = undefined;
    const isSame = status !== '' && status === health.status;
    health.status = status;
    return isSame;
  }

  /** An engine does not say that a new run begins without a verdict: the first one is news. */
  #died(id: Fingerprint): void {
    const health = this.#containers.get(id);
    if (health) health.status = '';
  }

  #of(id: Fingerprint): Health {
    let health = this.#containers.get(id);
    if (!health) {
      health = { check: undefined, status: '', running: new Map(), ended: undefined, endedSec: 0 };
      this.#containers.set(id, health);
      dropOldest(this.#containers, MAX_CONTAINERS);
    }
    return health;
  }
}

function dropOldest(map: Map<Fingerprint, unknown>, limit: number): void {
  if (map.size <= limit) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}

function argsAt(event: EventView): number {
  return event.at + EVENT.FIXED_BYTES + event.half(EVENT.TYPE_BYTES) + event.half(EVENT.ACTION_BYTES);
}

function idOf(event: EventView): Fingerprint {
  const from = argsAt(event) + event.half(EVENT.ARGS_BYTES);
  return fingerprint(event.bytes, from, from + event.half(EVENT.ID_BYTES));
}

function execOf(event: EventView): Fingerprint | undefined {
  const at = event.attributeAt(KEY_EXEC);
  if (at < 0) return undefined;
  const from = at + 4 + KEY_EXEC.length;
  return fingerprint(event.bytes, from, from + readUint16(event.bytes, at + 2));
}

/** Two FNV-1a of different seeds and primes, side by side. */
function fingerprint(bytes: Uint8Array, from: number, to: number): Fingerprint {
  let high = 0x811c9dc5;
  let low = 0x9dc5811c;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    high = Math.imul(high ^ byte, 0x01000193);
    low = Math.imul(low ^ byte, 0x5bd1e995);
  }
  return (high >>> 0) * 0x200000 + (low >>> 11);
}
