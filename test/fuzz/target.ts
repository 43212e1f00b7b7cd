import type fc from 'fast-check';
import { type ErrorCode, TocsinError } from '../../src/event/errors.ts';

/** Something that reads what strangers send. */
export interface Target {
  /** Whose coverage is printed: files below `src/`. */
  readonly sources: readonly string[];
  /** What is changed; at least one. */
  readonly seeds: readonly (string | Uint8Array)[];
  /** Words that a random change would hardly ever make. */
  readonly dictionary: readonly string[];
  /** Makes inputs that hold together. */
  readonly arbitrary: fc.Arbitrary<string>;
  /** Inputs between two looks at the coverage. */
  readonly batch: number;
  open(): Promise<Run>;
}

/** A target that takes inputs. */
export interface Run {
  /** @throws whatever is wrong, most of it as `Broken` */
  check(input: Uint8Array): void | Promise<void>;
  /** After each batch: looks for what no single input is to blame for. @throws as check */
  rest?(): Promise<void>;
  close?(): Promise<void>;
}

/** A promise that does not hold. What an input is cut down to breaks the same `rule`. */
export class Broken extends Error {
  override readonly name = 'Broken';
  readonly rule: string;

  constructor(rule: string, detail = '') {
    super(detail === '' ? rule : `${rule}: ${detail}`);
    this.rule = rule;
  }
}

export function demand(holds: boolean, rule: string, detail: () => string = () => ''): asserts holds {
  if (!holds) throw new Broken(rule, detail());
}

/** The rule that an error of any kind breaks. Targets that are bundled with a planted bug have a class of their own. */
export function ruleOf(error: unknown): string {
  if (!(error instanceof Error)) return 'threw what is no error';
  if (error.name === 'Broken') return (error as Broken).rule;
  return `threw ${error.name}`;
}

/** @returns what `act` does, or undefined when it refuses with one of these codes; whatever else it throws is wrong */
export function allowed<Value>(codes: readonly ErrorCode[], act: () => Value): Value | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    const { code, family, message } = error;
    demand(family === 'caller' || family === 'sender', 'blames somebody else', () => `${code}: ${message}`);
    demand(codes.includes(code), 'has a code that is not documented there', () => `${code}: ${message}`);
    demand(message !== '', 'says nothing');
    return undefined;
  }
}

/** What an input says as text. */
export function textOf(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.length).toString();
}

export function show(value: unknown): string {
  return JSON.stringify(value);
}
