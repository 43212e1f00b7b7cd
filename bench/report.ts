import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CHECKOUT } from '../test/support/daemon.ts';

const PAGE = path.join(CHECKOUT, 'docs/benchmarks.md');

/** One line that says what was measured on. */
export function machine(): string {
  const cpus = os.cpus();
  return `Node ${process.version}, ${cpus.length} x ${cpus[0]?.model.trim()}, Linux ${os.release()}`;
}

/** Prints a section; with `--write` it also takes the place of the one of that name in docs/benchmarks.md. */
export function report(section: string, lines: readonly string[]): void {
  const text = lines.join('\n');
  console.log(text);
  if (!process.argv.includes('--write')) return;
  const page = fs.readFileSync(PAGE, 'utf8');
  const [start, end] = [`<!-- ${section} -->`, `<!-- /${section} -->`];
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the section ${section}`);
  fs.writeFileSync(PAGE, `${page.slice(0, from)}${start}\n${text}\n${page.slice(to)}`);
}
