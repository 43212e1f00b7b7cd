import fs from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../architecture/source.ts';

/** The lines of a stream that was recorded from a real engine. */
export function recordedLines(name: string): string[] {
  return fs
    .readFileSync(path.join(projectRoot(), 'test/vectors', name), 'utf8')
    .trimEnd()
    .split('\n');
}
