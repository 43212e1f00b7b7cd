import { spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { PLANTED } from './planted.ts';

/** Each in a process of its own, which a bug may well end. @returns 0 when all were found */
export async function huntPlanted(ids: readonly string[], seconds: number, seed: number): Promise<number> {
  let missed = 0;
  for (const { mutant, target } of PLANTED) {
    if (ids.length > 0 && !ids.includes(mutant.id)) continue;
    const beginMs = performance.now();
    const output = await runWithBug(mutant.id, seconds, seed);
    const says = /^FOUND .*$/m.exec(output)?.[0];
    if (!says) missed += 1;
    const outcome = says ?? `NOT FOUND: ${mutant.what}\n${output}`;
    process.stdout.write(
      `${mutant.id.padEnd(22)}${target.padEnd(16)}${((performance.now() - beginMs) / 1000).toFixed(1)} s  ${outcome}\n`,
    );
  }
  return missed === 0 ? 0 : 1;
}

async function runWithBug(id: string, seconds: number, seed: number): Promise<string> {
  const run = fileURLToPath(new URL('./run.js', import.meta.url));
  const args = [run, '--with-bug', id, '--seconds', String(seconds), '--seed', String(seed)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  await new Promise((resolve) => child.once('close', resolve));
  return output;
}
