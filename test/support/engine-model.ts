import type { ListedContainer } from '../../src/messages/engine-source.ts';
import { BASE_SEC } from './log.ts';

interface State {
  name: string;
  isRunning: boolean;
  isPaused: boolean;
}

/** An event that the engine will tell, and the number of what happened. */
export interface ModelEvent {
  readonly step: number;
  readonly line: string;
}

/** What an engine's containers do, and the events that tell so. */
export class EngineModel {
  readonly #containers = new Map<string, State>();
  /** Of what happened last. */
  step = 0;
  #created = 0;

  /** The containers as they are now. */
  list(): ListedContainer[] {
    return [...this.#containers].map(([id, state]) => ({ id, ...state, image: 'bb:1', labels: { tier: 'front' } }));
  }

  /** Something that can happen does. @param choice which thing, to which container. @returns its events */
  act(choice: number): ModelEvent[] {
    const ids = [...this.#containers.keys()];
    const id = ids[choice % (ids.length + 1)];
    const state = id === undefined ? undefined : this.#containers.get(id);
    if (id === undefined || !state) {
      this.#created += 1;
      const made = `c${this.#created}`;
      this.#containers.set(made, { name: made, isRunning: false, isPaused: false });
      return [this.#event('create', made)];
    }
    const what = ['run', 'pause', 'rename', 'destroy'][(choice >> 8) % 4];
    if (what === 'rename') {
      state.name = `${id}-${this.step}`;
      return [this.#event('rename', id)];
    }
    if (what === 'pause' && state.isRunning) {
      state.isPaused = !state.isPaused;
      return [this.#event(state.isPaused ? 'pause' : 'unpause', id)];
    }
    if (what === 'destroy' && !state.isRunning) {
      const gone = this.#event('destroy', id);
      this.#containers.delete(id);
      return [gone];
    }
    state.isRunning = !state.isRunning;
    state.isPaused = false;
    return [this.#event(state.isRunning ? 'start' : 'die', id)];
  }

  /** The machine is started again: no container runs, and nobody has told so. */
  reboot(): void {
    for (const state of this.#containers.values()) {
      state.isRunning = false;
      state.isPaused = false;
    }
  }

  #event(action: string, id: string): ModelEvent {
    this.step += 1;
    const { name } = this.#containers.get(id)!;
    const sec = BASE_SEC + Math.floor(this.step / 1000);
    const nanos = `${sec}${String(this.step % 1000).padStart(3, '0')}000001`;
    const attributes = { image: 'bb:1', n: String(this.step), name };
    const actor = JSON.stringify({ ID: id, Attributes: attributes });
    const line = `{"Type":"container","Action":"${action}","Actor":${actor},"scope":"local","time":${sec},"timeNano":${nanos}}\n`;
    return { step: this.step, line };
  }
}
