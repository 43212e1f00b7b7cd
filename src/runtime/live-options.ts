import { isDeepStrictEqual } from 'node:util';
import { LIVE_OPTIONS, makeOptions, OPTION_NAMES, type OptionName, type Options } from '../event/options.ts';
import type { LiveSettings } from '../messages/live-settings.ts';

/** What became of options that had changed. */
export interface Reconfigured {
  readonly applied: readonly OptionName[];
  /** Those that count from the next start on. */
  readonly pending: readonly OptionName[];
}

/** A pipeline's options as they are now: some of them change while it runs. */
export class LiveOptions {
  readonly #settings: LiveSettings;
  readonly #shards: number;
  #options: Options;

  /** @param options that the pipeline has begun with */
  constructor(options: Options, settings: LiveSettings) {
    this.#options = options;
    this.#shards = options.fanouts;
    this.#settings = settings;
  }

  /** @throws ERR_OPTION_INVALID; then nothing has changed */
  reconfigure(given: Readonly<Record<string, unknown>>): Reconfigured {
    const asked = makeOptions(given);
    const wanted = { ...asked, fanouts: asked.fanouts || this.#shards };
    const changed = OPTION_NAMES.filter((name) => !isDeepStrictEqual(wanted[name], this.#options[name]));
    const applied = LIVE_OPTIONS.filter((name) => changed.includes(name));
    for (const name of applied) this.#settings.set(name, wanted[name]);
    this.#options = { ...this.#options, ...Object.fromEntries(applied.map((name) => [name, wanted[name]])) };
    return { applied, pending: changed.filter((name) => !(applied as readonly OptionName[]).includes(name)) };
  }
}
