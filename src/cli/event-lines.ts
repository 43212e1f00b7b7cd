import { parseEventLine } from '../codec/event-line.ts';
import { packEvent } from '../codec/event-record.ts';
import { TocsinError } from '../event/errors.ts';

const LF = 0x0a;
const MAX_LINE_BYTES = 1024 * 1024;

/** A line that is an event, and its number in the input, beginning with 1. */
export interface EventLine {
  readonly text: string;
  readonly number: number;
}

/**
 * The lines of an input, in groups as they come in; empty ones are passed over.
 * @throws ERR_BODY_TOO_LARGE for a line that no daemon takes
 */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<EventLine[]> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 1;
  const split = (data: Buffer): EventLine[] => {
    const lines = data
      .toString('utf8')
      .split('\n')
      .map((text, index) => ({ text, number: number + index }));
    number += lines.length;
    return lines.filter(({ text }) => text.trim() !== '');
  };
  for await (const chunk of input) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(LF);
    rest = data.subarray(end + 1);
    if (rest.length > MAX_LINE_BYTES)
      throw new TocsinError('ERR_BODY_TOO_LARGE', `a line is longer than ${MAX_LINE_BYTES} bytes`);
    if (end >= 0) yield split(data.subarray(0, end));
  }
  yield split(rest);
}

/** @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE, with the number of the line */
export function checkLine({ text, number }: EventLine): void {
  try {
    packEvent(parseEventLine(text));
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    throw new TocsinError(error.code, `line ${number}: ${error.message}`, { cause: error });
  }
}
