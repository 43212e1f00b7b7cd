import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CHECKOUT } from '../test/support/daemon.ts';

const PAGES = ['README.md', 'docs/benchmarks.md'].map((page) => path.join(CHECKOUT, page));

/** One line that says what was measured on. */
export function machine(): string {
  const cpus = os.cpus();
  return `Node ${process.version}, ${cpus.length} x ${cpus[0]?.model.trim()}, Linux ${os.release()}`;
}

/** Prints a section; with `--write` it also takes the place of the one of that name in the README and docs/benchmarks.md. */
export function report(section: string, lines: readonly string[]): void {
  const text = lines.join('\n');
  console.log(text);
  if (!process.argv.includes('--write')) return;
  const [start, end] = [`<!-- ${section} -->`, `<!-- /${section} -->`];
  let written = 0;
  for (const file of PAGES) {
    const page = fs.readFileSync(file, 'utf8');
    const from = page.indexOf(start);
    const to = page.indexOf(end);
    if (from < 0 || to < from) continue;
    fs.writeFileSync(file, `${page.slice(0, from)}${start}\n${text}\n${page.slice(to)}`);
    written += 1;
  }
  if (written === 0) throw new Error(`no page has a place for the section ${section}`);
}
