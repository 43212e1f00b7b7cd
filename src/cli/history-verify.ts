import { FolderCheck, formatProblem } from '../history/folder-check.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit.ts';
import { atHistory, notice, type PlaceFlags } from './history-place.ts';
import { Progress } from './progress.ts';
import { Stdout } from './stdout.ts';

/** Reads every byte of a history, says what is wrong, and sums it up. */
export function verifyHistory(flags: PlaceFlags): Promise<number> {
  return atHistory(flags, async ({ files, pool }) => {
    const check = new FolderCheck();
    const progress = new Progress();
    const wholeBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const tasks = files.map(({ firstSeq }) => ({ file: firstSeq }));
    let position = 0;
    let doneBytes = 0;
    let events = 0;
    for await (const report of pool.run('check', tasks)) {
      doneBytes += files[position]?.bytes ?? 0;
      position += 1;
      check.take(report, position === files.length);
      events += report.events;
      progress.show(events, '', doneBytes / Math.max(1, wholeBytes));
    }
    progress.clear();
    const { problems, notices, ...sums } = check.result();
    for (const text of notices) notice(text);
    for (const problem of problems) notice(formatProblem(problem));
    const { epochs, withoutIndex } = sums;
    const missing = withoutIndex > 0 ? `, ${withoutIndex} files without an index` : '';
    await new Stdout().write(
      `${sums.files} files, ${sums.batches} batches, ${sums.events} events, ${sums.bytes} bytes, ` +
        `epochs: ${epochs.join(' ') || 'none'}${missing}, problems: ${problems.length}\n`,
    );
    return problems.length === 0 ? EXIT_OK : EXIT_FAILURE;
  });
}
