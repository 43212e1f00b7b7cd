import type { Timestamp } from '../../src/event/event.ts';
import { compareTime, parseTimeNano } from '../../src/event/time.ts';
import { BASE_SEC } from './log.ts';

/** As many events as Docker's engine remembers. */
const REMEMBERED = 256;

/** Event `n` of an engine, as Docker writes it: a millisecond for each. */
export function engineLine(n: number): string {
  const nanos = `${BASE_SEC + Math.floor(n / 1000)}${String(n % 1000).padStart(3, '0')}000001`;
  return (
    `{"Type":"container","Action":"start","Actor":{"ID":"c${n % 7}","Attributes":{"image":"bb:1","n":"${n}"}},` +
    `"scope":"local","time":${nanos.slice(0, -9)},"timeNano":${nanos}}\n`
  );
}

/** The number in such a line, or in an event that came of it. */
export function numberIn(event: { readonly attributes: Readonly<Record<string, string>> }): number {
  return Number(event.attributes['n']);
}

/** What an engine remembers of its events. */
export class EngineMemory {
  #lines: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > REMEMBERED) this.#lines.shift();
  }

  /** The engine begins anew. */
  forget(): void {
    this.#lines = [];
  }

  since(time: Timestamp): string[] {
    return this.#lines.filter((line) => compareTime(parseTimeNano(/"timeNano":(\d+)/.exec(line)![1]!), time) >= 0);
  }
}
