import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Keeps an input that fails. @returns where */
export function keepInput(folder: string, target: string, input: Uint8Array): string {
  fs.mkdirSync(folder, { recursive: true });
  const name = `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}.input`;
  const file = path.join(folder, name);
  fs.writeFileSync(file, input);
  return file;
}

/** How to see it again. */
export function replayHint(target: string, file: string): string {
  return `again: npm run fuzz -- ${target} --input ${path.relative(process.cwd(), file)}`;
}
