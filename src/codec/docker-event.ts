import type { FilterSubject } from '../event/filter.ts';
import { dockerAction, hasDockerExitCode } from '../event/operators.ts';
import { EVENT, NO_EXIT_CODE } from '../messages/layout.ts';
import { isRange, utf8 } from './bytes.ts';
import type { EventView } from './event-record.ts';

/**
 * How Docker's API shows an event of the log (docs/mapping.md); its encoder and its filters agree on this.
 */

/** Scope of events that name none: they are this host's. */
export const DOCKER_SCOPE = 'local';
export const TYPE_CONTAINER = utf8('container');
export const TYPE_IMAGE = utf8('image');
const ACTION_CREATE = utf8('create');

/** Docker's `Action`: the word and, behind a colon, the args. */
export function dockerActionOf(event: EventView): string {
  const action = dockerAction(event.type, event.action);
  const { args } = event;
  return args === '' ? action : `${action}: ${args}`;
}

/** The exit code that Docker shows as an attribute: that of a container or exec that ended. */
export function dockerExitCodeOf(event: EventView): number | undefined {
  const { exitCode } = event;
  if (exitCode === NO_EXIT_CODE || !event.isOfType(TYPE_CONTAINER) || !hasDockerExitCode(event.action))
    return undefined;
  return exitCode;
}

/** An image event without attributes: Docker's always have a `name`, so its reference is shown as that too. */
export function isBareImageEvent(event: EventView): boolean {
  return event.attributeCount === 0 && event.half(EVENT.ID_BYTES) > 0 && event.isOfType(TYPE_IMAGE);
}

/** Docker tells of the creation of an image from API 1.46 on. */
export function isImageCreation(event: EventView): boolean {
  const from = event.at + EVENT.FIXED_BYTES + event.half(EVENT.TYPE_BYTES);
  const to = from + event.half(EVENT.ACTION_BYTES);
  return isRange(event.bytes, from, to, ACTION_CREATE) && event.isOfType(TYPE_IMAGE);
}

/** The attributes as Docker shows them, in no particular order. */
export function dockerAttributesOf(event: EventView): Map<string, string> {
  const attributes = new Map(event.attributes());
  const exitCode = dockerExitCodeOf(event);
  if (exitCode !== undefined) attributes.set('exitCode', String(exitCode));
  if (isBareImageEvent(event)) attributes.set('name', event.id);
  return attributes;
}

/** The event as our own filters see it on this door: in Docker's words. */
export class DockerSubject implements FilterSubject {
  readonly #event: EventView;

  constructor(event: EventView) {
    this.#event = event;
  }

  get type(): string {
    return this.#event.type;
  }
  get action(): string {
    return dockerAction(this.#event.type, this.#event.action);
  }
  get args(): string {
    return this.#event.args;
  }
  get id(): string {
    return this.#event.id;
  }
  get scope(): string {
    return this.#event.scope || DOCKER_SCOPE;
  }
  get source(): string {
    return this.#event.source;
  }
  get namespace(): string {
    return this.#event.namespace;
  }
  get isSynthetic(): boolean {
    return this.#event.isSynthetic;
  }

  attribute(key: string): string | undefined {
    const exitCode = key === 'exitCode' ? dockerExitCodeOf(this.#event) : undefined;
    if (exitCode !== undefined) return String(exitCode);
    return key === 'name' && isBareImageEvent(this.#event) ? this.#event.id : this.#event.attribute(key);
  }
}
