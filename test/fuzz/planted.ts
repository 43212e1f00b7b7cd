import { type Mutant, mutant } from '../support/mutant.ts';
import type { TargetName } from './targets/table.ts';

/** A bug in what a target reads, so that it is seen that the target finds it. */
export interface Planted {
  readonly mutant: Mutant;
  readonly target: TargetName;
}

function planted(target: TargetName, ...row: Parameters<typeof mutant>): Planted {
  return { target, mutant: mutant(...row) };
}

/** Each has to be found within seconds; one that no longer applies is as bad as one that is not found. */
export const PLANTED: readonly Planted[] = [
  planted(
    'times',
    'zone-sign',
    'a zone east of Greenwich is taken for one west of it',
    'src/event/time.ts',
    "(offset.startsWith('-') ? -1 : 1)",
    "(offset.startsWith('-') ? 1 : -1)",
  ),
  planted(
    'cursors',
    'cursor-zeros',
    'a cursor may have leading zeros',
    'src/event/cursor.ts',
    '(0|[1-9][0-9]{0,15})$/',
    '(0|[0-9]{1,16})$/',
  ),
  planted(
    'filters',
    'glob-hangs',
    'a glob that has to go back goes back to the same place for ever',
    'src/event/filter.ts',
    't = ++starEnd;',
    't = starEnd;',
  ),
  planted(
    'filters',
    'regex-unbounded',
    'an error of the regex engine gets out as it is',
    'src/event/filter.ts',
    'throw invalid(`expected a regex of RE2 (${String(cause)})`, source, cause);',
    'throw cause;',
  ),
  planted(
    'docker-filters',
    'false-is-true',
    'a value that is false in the map form is wanted',
    'src/codec/docker-filter.ts',
    'new Set(all.filter((value) => ofKey[value]))',
    'new Set(all)',
  ),
  planted(
    'native-query',
    'given-twice',
    'of a parameter that is there twice the last one counts',
    'src/doors/native-query.ts',
    "if (given.has(parameter)) throw invalid(parameter, 'one value', 'several');",
    '',
  ),
  planted(
    'docker-query',
    'short-fraction',
    'a fraction with few digits is filled up on the wrong side',
    'src/doors/docker-query.ts',
    "fraction.slice(0, 9).padEnd(9, '0')",
    "fraction.slice(0, 9).padStart(9, '0')",
  ),
  planted(
    'lines',
    'lone-half',
    'the first half of a pair takes any escape behind it for the second one',
    'src/codec/json-reader.ts',
    'if (low < 0xdc00 || low > 0xdfff) return this.#replaced();',
    'if (low < 0) return this.#replaced();',
  ),
  planted(
    'lines',
    'lost-rest',
    'a line whose end comes in the third piece loses the second one',
    'src/codec/line-cutter.ts',
    'this.#rest = joined(this.#rest, chunk.subarray(from));',
    'this.#rest = this.#rest.length > 0 ? this.#rest : chunk.subarray(from);',
  ),
  planted(
    'sources',
    'name-taken',
    'two engines may have one name',
    'src/event/source-address.ts',
    'names.add(name);',
    '',
  ),
  planted(
    'http',
    'unparsed-target',
    'a path that is no URL is a bug of ours',
    'src/doors/http-reply.ts',
    "if (!target.startsWith('/') || !URL.canParse(target, 'http://tocsin')) {",
    "if (!target.startsWith('/')) {",
  ),
  planted(
    'http',
    'client-stays',
    'a client that closes its connection keeps its row',
    'src/doors/event-stream.ts',
    "socket.off('drain', onDrain);\n    handle.left();",
    "socket.off('drain', onDrain);",
  ),
];
