import { SecretNames } from '../event/secret-names.ts';
import { EVENT, FLAG_NO_SECRET } from '../messages/layout.ts';
import { textOf, utf8, writeBytes } from './bytes.ts';
import { EventView, readUint16, roundUp8, writeAttribute } from './event-record.ts';
import { BUILT_IN_SCAN, PLAIN_ATTRIBUTES, SecretScan } from './secret-scan.ts';
import { HIDDEN, redactText } from './secret-text.ts';

const MAX_TEXT_BYTES = 0xffff;
const FIRST_BYTES = 8 * 1024;
const PLAIN: ReadonlySet<string> = new Set(PLAIN_ATTRIBUTES);

/**
 * Shows events without their secrets: in action, args and attributes (docs/protocol.md, Redaction). Most events are known to have
 * none since they were accepted, and are shown as they are. The others are copied, with *** in the place of secrets, so that
 * filters and encoders see one and the same event. Nothing is written where events are kept.
 */
export class Redactor {
  readonly #names: SecretNames;
  /** For the operator's words, which may be others than when an event was accepted. */
  readonly #ownScan: SecretScan | undefined;
  /** The event that was looked at last: several lanes ask for it. */
  #lastBytes: Uint8Array | undefined;
  #lastAt = 0;
  #hadSecret = false;
  #copy = new EventView(new ArrayBuffer(FIRST_BYTES));

  /** @param words beside the built-in names; of `parseSecretWords` */
  constructor(words: readonly string[] = []) {
    this.#names = new SecretNames(words);
    this.#ownScan = words.length > 0 ? new SecretScan(words) : undefined;
  }

  /** The event, or a copy that is valid until the next call. */
  shown(event: EventView): EventView {
    if ((event.half(EVENT.FLAGS) & FLAG_NO_SECRET) !== 0 && !this.#ownScan?.finds(event)) return event;
    if (event.bytes !== this.#lastBytes || event.at !== this.#lastAt) {
      this.#hadSecret = this.#redact(event);
      this.#lastBytes = event.bytes;
      this.#lastAt = event.at;
    }
    return this.#hadSecret ? this.#copy : event;
  }

  /** The labels of a container, as its events show them. */
  labels(labels: Readonly<Record<string, string>>): Record<string, string> {
    const shown = (key: string, value: string): string => (PLAIN.has(key) ? value : this.#attribute(key, value));
    return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, shown(key, value)]));
  }

  /** @returns whether `#copy` differs from the event */
  #redact(event: EventView): boolean {
    const { bytes, action, args } = event;
    const texts = [this.#text(action, true), this.#text(args, true)] as const;
    let isSame = texts[0] === action && texts[1] === args;
    const attributes: (string | undefined)[] = [];
    let size = event.byteLength + 3 * (texts[0].length + texts[1].length);
    let at = event.attributesAt;
    for (let left = event.attributeCount; left > 0; left -= 1) {
      const keyAt = at + 4;
      const valueAt = keyAt + readUint16(bytes, at);
      at = valueAt + readUint16(bytes, keyAt - 2);
      let shown: string | undefined;
      // Most attributes need not be decoded.
      if (this.#suspects(bytes, keyAt, valueAt, at)) {
        const value = textOf(bytes, valueAt, at);
        shown = this.#attribute(textOf(bytes, keyAt, valueAt), value);
        if (shown === value) shown = undefined;
        else size += 3 * shown.length;
      }
      attributes.push(shown);
      isSame &&= shown === undefined;
    }
    if (!isSame) this.#write(event, utf8(texts[0]), utf8(texts[1]), attributes, size);
    return !isSame;
  }

  #suspects(bytes: Uint8Array, keyAt: number, valueAt: number, to: number): boolean {
    return (
      BUILT_IN_SCAN.findsInAttribute(bytes, keyAt, valueAt, to) ||
      (this.#ownScan?.findsInAttribute(bytes, keyAt, valueAt, to) ?? false)
    );
  }

  #attribute(key: string, value: string): string {
    if (this.#names.kindOf(key) === 'none') return this.#text(value, false);
    return value === '' || value === 'true' || value === 'false' ? value : HIDDEN;
  }

  #text(text: string, isCommand: boolean): string {
    const shown = redactText(text, this.#names, isCommand);
    // Its length must still fit.
    return shown.length > text.length && Buffer.byteLength(shown) > MAX_TEXT_BYTES ? HIDDEN : shown;
  }

  /** @param attributes values that are others, @param size that is enough */
  #write(
    event: EventView,
    action: Uint8Array,
    args: Uint8Array,
    attributes: readonly (string | undefined)[],
    size: number,
  ): void {
    if (this.#copy.bytes.length < size) this.#copy = new EventView(new ArrayBuffer(2 * roundUp8(size)));
    const { bytes: from, at } = event;
    const { bytes, words, halves } = this.#copy;
    const typeTo = at + EVENT.FIXED_BYTES + event.half(EVENT.TYPE_BYTES);
    const idFrom = typeTo + event.half(EVENT.ACTION_BYTES) + event.half(EVENT.ARGS_BYTES);
    const { attributesAt } = event;
    let pos = writeBytes(bytes, 0, from.subarray(at, typeTo));
    pos = writeBytes(bytes, writeBytes(bytes, pos, action), args);
    pos = writeBytes(bytes, pos, from.subarray(idFrom, attributesAt));
    const attributesFrom = pos;
    let attribute = attributesAt;
    for (const shown of attributes) {
      const valueAt = attribute + 4 + readUint16(from, attribute);
      const next = valueAt + readUint16(from, attribute + 2);
      const value = shown === undefined ? from.subarray(valueAt, next) : utf8(shown);
      pos = writeAttribute(bytes, pos, from.subarray(attribute + 4, valueAt), value);
      attribute = next;
    }
    const end = roundUp8(pos);
    bytes.fill(0, pos, end);
    words[EVENT.LENGTH >> 2] = end;
    halves[EVENT.ACTION_BYTES >> 1] = action.length;
    halves[EVENT.ARGS_BYTES >> 1] = args.length;
    words[EVENT.ATTRIBUTES_BYTES >> 2] = pos - attributesFrom;
  }
}
