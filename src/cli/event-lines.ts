import { isBlankLine } from '../codec/event-line.ts';
import { EventPacker } from '../codec/event-packer.ts';
import { located, TocsinError } from '../event/errors.ts';

const LF = 0x0a;
const MAX_LINE_BYTES = 1024 * 1024;

/** A line that is an event, without its end, and its number in the input, beginning with 1. */
export interface EventLine {
  readonly bytes: Buffer;
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
    const lines: EventLine[] = [];
    for (let from = 0; from < data.length; number += 1) {
      const end = data.indexOf(LF, from);
      const to = end < 0 ? data.length : end;
      if (!isBlankLine(data, from, to)) lines.push({ bytes: data.subarray(from, to), number });
      from = to + 1;
    }
    return lines;
  };
  for await (const chunk of input) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(LF) + 1;
    rest = data.subarray(end);
    if (rest.length > MAX_LINE_BYTES)
      throw new TocsinError('ERR_BODY_TOO_LARGE', `a line is longer than ${MAX_LINE_BYTES} bytes`);
    if (end > 0) yield split(data.subarray(0, end));
  }
  yield split(rest);
}

/** What checks lines: packs each as the daemon will, and forgets it. */
export class LineChecker {
  readonly #packer = new EventPacker();

  /** @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE, with the number of the line */
  check({ bytes, number }: EventLine): void {
    try {
      this.#packer.addLine(bytes, 0, bytes.length);
      this.#packer.clear();
    } catch (error) {
      throw located(error, `line ${number}`);
    }
  }
}
