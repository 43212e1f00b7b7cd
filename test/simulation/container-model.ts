import assert from 'node:assert/strict';
import type { Recovered } from '../../src/history/recovery.ts';
import type { TrueLog } from './true-log.ts';

/**
 * What the log has to know of containers after a restart: at least what its events showed last. Each description carries a
 * number, so an event tells which one its container had.
 */
export class ContainerModel {
  readonly #truth: TrueLog;
  /** The newest description that was given, of each. */
  readonly #given = new Map<string, number>();

  readonly #stops = new Map<string, { readonly pid: number; readonly exitCode: number }>();

  constructor(truth: TrueLog) {
    this.#truth = truth;
  }

  put(id: string, version: number): void {
    this.#given.set(id, version);
  }

  /** A record is on its way that says how a container's process ended. */
  stops(args: string, pid: number, exitCode: number): void {
    this.#stops.set(args, { pid, exitCode });
  }

  /** @returns whether there was anything to compare */
  compare({ containers, headSeq, truncatedBytes, files }: Recovered): boolean {
    if (this.#truth.mayForget) return false;
    // A file's snapshot knows of the batch that was to follow it, which may not have come to its end, nor have been begun.
    const mayBeAhead = truncatedBytes > 0 || (files.at(-1)?.firstSeq ?? 0) > headSeq;
    let compared = 0;
    for (const { id, spec, pid, exitCode } of containers) {
      const given = this.#given.get(id);
      if (given === undefined) continue;
      const version = Number(spec.labels?.['v'] ?? 0);
      assert.ok(version <= given, `${id} is described as it never was`);
      const model = this.#modelled(id, headSeq);
      if (!model) continue;
      assert.ok(version >= model.shown, `${id} was shown with description ${model.shown}, and has ${version} now`);
      if (version === model.shown && !mayBeAhead)
        assert.deepEqual({ pid, exitCode }, { pid: model.pid, exitCode: model.exitCode }, id);
      compared += 1;
    }
    return compared > 0;
  }

  /** What the events say, up to the newest; undefined when they do not say it all. */
  #modelled(id: string, headSeq: number): { shown: number; pid: number; exitCode: number } | undefined {
    let [shown, pid, exitCode] = [0, 0, 0];
    for (let seq = 1; seq <= headSeq; seq += 1) {
      const event = this.#truth.at(seq);
      if (!event || event.isHole) return undefined;
      if (event.id !== id || !event.args.startsWith('f/') || event.version === undefined) continue;
      if (event.version > shown) [shown, pid] = [event.version, event.version];
      const stop = this.#stops.get(event.args);
      if (!stop) exitCode = 0;
      else if (stop.pid === pid) [pid, exitCode] = [0, stop.exitCode];
    }
    return shown > 0 ? { shown, pid, exitCode } : undefined;
  }
}
