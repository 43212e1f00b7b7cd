import { textOf, utf8 } from '../codec/bytes.ts';
import { repairUtf8 } from '../codec/utf8.ts';
import { makeOrigin, type Origin } from '../codec/format-record.ts';
import { textEnd } from '../codec/monitor-record.ts';
import { NameCache } from '../codec/name-cache.ts';
import type { Container, ContainerTable } from '../event/container-table.ts';
import { MONITOR } from '../messages/layout.ts';

const CACHED_CONTAINERS = 65_536;
const CACHED_IMAGES = 256;

/** What a container's name in records leads to. */
export interface RecordObject {
  readonly container: Container;
  readonly replacedUtf8: boolean;
  /** Of the container, when `origin` was packed. */
  version: number;
  origin: Origin;
}

/** Finds what monitor records are about: their names are compared as bytes, and looked up only when they are new. */
export class RecordObjects {
  readonly #table: ContainerTable;
  readonly #words: Int32Array;
  readonly #unknown: 'pass' | 'drop';
  readonly #containers = new NameCache<RecordObject>(CACHED_CONTAINERS);
  readonly #images = new NameCache<Origin>(CACHED_IMAGES);
  /** Of the table, when the cached names were looked up. */
  #generation = 0;

  /** @param words the memory that records come in */
  constructor(table: ContainerTable, words: Int32Array, unknown: 'pass' | 'drop') {
    this.#table = table;
    this.#words = words;
    this.#unknown = unknown;
  }

  /** The container that the record names; undefined when its events are to be dropped because nobody has described it. */
  container(record: Uint8Array, at: number): RecordObject | undefined {
    if (this.#generation !== this.#table.generation) {
      this.#containers.clear();
      this.#generation = this.#table.generation;
    }
    const cached = this.#containers.find(this.#words, at);
    if (cached) return cached;
    const { name, replacedUtf8 } = nameOf(record, at);
    let container = this.#table.find(name);
    if (!container?.known && this.#unknown === 'drop') return undefined;
    container ??= this.#table.note(name);
    const object: RecordObject = {
      container,
      replacedUtf8,
      version: container.version,
      origin: packOrigin(container, replacedUtf8),
    };
    this.#containers.put(this.#words, at, object);
    return object;
  }

  /** What events of the container show of it now. */
  originOf(object: RecordObject): Origin {
    const { container, replacedUtf8 } = object;
    if (object.version !== container.version) {
      object.version = container.version;
      object.origin = packOrigin(container, replacedUtf8);
    }
    return object.origin;
  }

  /** An image, registry or file: nothing is known about it but what the record says. */
  image(record: Uint8Array, at: number): Origin {
    let origin = this.#images.find(this.#words, at);
    if (!origin) {
      const { name, replacedUtf8 } = nameOf(record, at);
      origin = makeOrigin(utf8(name), { pid: 0, exitCode: 0, known: false, replacedUtf8 });
      this.#images.put(this.#words, at, origin);
    }
    return origin;
  }
}

function nameOf(record: Uint8Array, at: number): { readonly name: string; readonly replacedUtf8: boolean } {
  const from = at + MONITOR.NAME;
  const { bytes, replaced } = repairUtf8(record, from, textEnd(record, from, MONITOR.NAME_BYTES));
  return { name: textOf(bytes, 0, bytes.length), replacedUtf8: replaced };
}

function packOrigin(container: Container, replacedUtf8: boolean): Origin {
  const { id, spec, pid, exitCode, known } = container;
  return makeOrigin(utf8(id), { ...spec, pid, exitCode, known, replacedUtf8 });
}
