import { LIVE_OPTIONS, type LiveOption, type Options } from '../event/options.ts';

/** Options that may change while actors run: numbers that main writes, and that actors read each time they need them. */
export class LiveSettings {
  readonly #cells: Float64Array;

  static allocate(options: Options): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(LIVE_OPTIONS.length * Float64Array.BYTES_PER_ELEMENT);
    const settings = new LiveSettings(memory);
    for (const name of LIVE_OPTIONS) settings.set(name, options[name]);
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory);
  }

  get(name: LiveOption): number {
    return this.#cells[LIVE_OPTIONS.indexOf(name)]!;
  }

  /** Main only. */
  set(name: LiveOption, value: number): void {
    this.#cells[LIVE_OPTIONS.indexOf(name)] = value;
  }
}
