import fs from 'node:fs';
import { parseCursor } from '../event/cursor.ts';
import { TocsinError } from '../event/errors.ts';

/** How far the file may be behind what was printed. */
const REST_MS = 100;

/**
 * A file with the cursor of the last event that was dealt with. It is replaced as a whole: whoever reads it, and whatever ends
 * this process, finds a cursor in it.
 */
export class CursorFile {
  readonly #path: string;
  readonly #onFailure: (error: TocsinError) => void;
  #cursor: string | undefined;
  #written: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param onFailure told when a write in the background failed */
  constructor(path: string, onFailure: (error: TocsinError) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** The cursor in the file; undefined when there is no file yet. @throws ERR_FILE_UNREADABLE, ERR_CURSOR_INVALID */
  read(): string | undefined {
    let text: string;
    try {
      text = fs.readFileSync(this.#path, 'utf8').trim();
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw new TocsinError('ERR_FILE_UNREADABLE', `cannot read ${this.#path} (${code ?? message})`, { cause });
    }
    parseCursor(text);
    this.#written = text;
    return text;
  }

  /** Everything up to here was dealt with: the file says so 100 ms later at most. */
  advance(cursor: string): void {
    this.#cursor = cursor;
    this.#timer ??= setTimeout(() => {
      try {
        this.flush();
      } catch (error) {
        this.#onFailure(error as TocsinError);
      }
    }, REST_MS);
  }

  /** Writes now what is not written yet. @throws ERR_FILE_UNWRITABLE */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#cursor === undefined || this.#cursor === this.#written) return;
    // In the same folder, for a rename does not cross file systems.
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      fs.writeFileSync(temporary, `${this.#cursor}\n`);
      fs.renameSync(temporary, this.#path);
    } catch (cause) {
      fs.rmSync(temporary, { force: true });
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new TocsinError('ERR_FILE_UNWRITABLE', `cannot write ${this.#path} (${code ?? message})`, { cause });
    }
    this.#written = this.#cursor;
  }
}
