import { isDeepStrictEqual } from 'node:util';
import { isBlankLine } from '../../../src/codec/event-line.ts';
import { EventPacker } from '../../../src/codec/event-packer.ts';
import { LineCutter } from '../../../src/codec/line-cutter.ts';
import { EVENT, FLAG_REPLACED_UTF8 } from '../../../src/messages/layout.ts';
import { anyLine, DOCKER_LINE, NATIVE_LINE } from '../../support/event-lines.ts';
import { outcomeOf } from '../../support/line-oracle.ts';
import { eventOfRecord } from '../../support/packed.ts';
import { recordedLines } from '../../support/vectors.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

/** Brackets that may be nested, all of them, without being too deep. */
const MAX_SURE_DEPTH = 100;

/** Published events, as JSON lines in any pieces: each becomes what JSON.parse and the rules make of it. */
export const target: Target = {
  sources: [
    'codec/json-reader.ts',
    'codec/event-line.ts',
    'codec/line-attributes.ts',
    'codec/line-cutter.ts',
    'codec/record-writer.ts',
  ],
  seeds: [
    NATIVE_LINE,
    DOCKER_LINE,
    `${NATIVE_LINE}\n\n${DOCKER_LINE}\r\n`,
    '{"type":"a","action":"b","id":"c"}',
    '{"Type":"image","Action":"delete","id":"x","time":0}',
    '{"type":"gap","missed":1}',
    '{"type":"daemon","action":"gap","id":"x","reason":"source"}',
    `{"type":"a","action":"b","id":"c","attributes":{${Array.from({ length: 80 }, (_, index) => `"k${index % 60}":"v"`).join()}}}`,
    '[1,2,{"a":null}]',
    ...recordedLines('docker-edge-events.jsonl').slice(0, 6),
  ],
  dictionary: [
    '"type":',
    '"action":',
    '"id":',
    '"Type":',
    '"Action":',
    '"Actor":',
    '"Attributes":',
    '"timeNano":',
    '"time":',
    '"pid":',
    '"exitCode":',
    '"attributes":',
    '"args":',
    '"seq":',
    '"reason":"source"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\u',
    '\\ud83d',
    '\\ude00',
    '\\ud83d\\ud83d',
    '\\ud83d\\u0041',
    '\\ud83d\\ude00',
    '\\"',
    '\n',
    '\r\n',
    'true',
    'false',
    'null',
    '-0',
    '1e400',
    '0.5',
    '"exec_create: sh"',
    'é',
    '😀',
    '__proto__',
  ],
  arbitrary: anyLine,
  batch: 256,
  open: async () => {
    // One for all: nothing of an input may be left for the next one.
    const packer = new EventPacker();
    const cutter = new LineCutter();
    return { check: (input) => check(input, packer, cutter) };
  },
};

function check(input: Uint8Array, packer: EventPacker, cutter: LineCutter): void {
  const lines = cut(input, input.length, cutter);
  const expected = Buffer.from(input).toString('latin1').split('\n');
  demand(isDeepStrictEqual(lines.map(latin1), expected), 'is cut elsewhere', () => show(lines.map(latin1)));
  const size = (input.length > 512 ? 64 : 1) + (input.length % 7);
  demand(isDeepStrictEqual(cut(input, size, cutter).map(latin1), expected), 'is cut otherwise in other pieces', () =>
    show(size),
  );
  for (const line of lines) checkLine(line, packer);
}

function latin1(line: Uint8Array): string {
  return Buffer.from(line).toString('latin1');
}

function cut(input: Uint8Array, size: number, cutter: LineCutter): Uint8Array[] {
  const lines: Uint8Array[] = [];
  const keep = (): void => void lines.push(cutter.bytes.slice(cutter.from, cutter.to));
  cutter.clear();
  for (let from = 0; from < input.length; from += size) {
    const chunk = input.subarray(from, from + size);
    for (let at = cutter.next(chunk, 0); at >= 0; at = cutter.next(chunk, at)) keep();
  }
  cutter.end();
  keep();
  return lines;
}

function checkLine(line: Uint8Array, packer: EventPacker): void {
  const text = textOf(line);
  const isBlank = isBlankLine(line, 0, line.length);
  demand(isBlank === /^[ \t\r\n]*$/.test(latin1(line)), 'is taken for blank, or not', () => show(text));
  packer.clear();
  const taken = allowed(['ERR_EVENT_INVALID', 'ERR_EVENT_TOO_LARGE'], () => {
    packer.addLine(line, 0, line.length);
    return true;
  });
  demand(packer.count === (taken ? 1 : 0), 'leaves something of what was refused', () => show(text));
  if (isAmbiguous(text)) return;
  const outcome = outcomeOf(line);
  demand('event' in outcome === (taken === true), 'is taken or refused against the rules', () => show(text));
  if (!('event' in outcome)) return;
  const record = packer.records(0, 1).slice();
  const event = eventOfRecord(record);
  demand(isDeepStrictEqual(event, outcome.event), 'is another event', () => `${show(text)}: ${show(event)}`);
  const isMarked = (record[EVENT.FLAGS]! & FLAG_REPLACED_UTF8) !== 0;
  const isReplaced = outcome.isReplaced || text.includes('\ufffd');
  demand(isMarked ? isReplaced : !outcome.isReplaced, 'says or hides that it was repaired', () => show(text));
}

/** The rules look for the number of `timeNano` in the line, and do not know how deep is too deep. */
function isAmbiguous(text: string): boolean {
  const depth = text.replaceAll(/[^[{]/g, '').length;
  if (depth > MAX_SURE_DEPTH) return true;
  const hasNumber = (line: string): boolean => {
    try {
      return typeof (JSON.parse(line) as Partial<Record<string, unknown>> | null)?.['timeNano'] === 'number';
    } catch {
      return false;
    }
  };
  if (!hasNumber(text)) return false;
  return text.split('timeNano').length !== 2 || hasNumber(text.replace('timeNano', 'timeNanX'));
}
