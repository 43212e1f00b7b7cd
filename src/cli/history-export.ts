import { encodeNotice } from '../codec/native-json.ts';
import { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { Lagged, Timestamp } from '../event/event.ts';
import { compileFilter, loadRegexEngine, parseFilterTerm } from '../event/filter.ts';
import { parseOptionText } from '../event/options.ts';
import { parseSecretWords } from '../event/secret-names.ts';
import { compareTime, parseTime } from '../event/time.ts';
import { ExportStream } from '../history/export-stream.ts';
import type { ScanResult } from '../history/file-scan.ts';
import { epochsOf, headSeqOf } from '../history/folder-listing.ts';
import { fileName } from '../history/history-file.ts';
import { planScan } from '../history/scan-plan.ts';
import { systemClock } from '../runtime/clock.ts';
import { crc32 } from '../runtime/history-folder.ts';
import { EXIT_OK } from './exit.ts';
import { atHistory, type HistoryPlace, notice, type PlaceFlags } from './history-place.ts';
import { Progress } from './progress.ts';
import { Stdout } from './stdout.ts';

export interface ExportFlags extends PlaceFlags {
  readonly since?: string;
  readonly until?: string;
  readonly after?: string;
  readonly filter: readonly string[];
  readonly format: string;
  readonly redact: boolean;
  readonly redactNames: string;
}

/** Prints a history as the daemon would. @throws as the native door refuses */
export async function exportHistory(flags: ExportFlags): Promise<number> {
  if (flags.format !== 'json')
    throw new TocsinError('ERR_OPTION_INVALID', `format: expected json, got ${JSON.stringify(flags.format)}`);
  if (flags.since !== undefined && flags.after !== undefined)
    throw new TocsinError('ERR_OPTION_INVALID', 'after: expected no `since` beside it, got both');
  const now = systemClock().now();
  const timeOf = (text: string | undefined): Timestamp | undefined =>
    text === undefined ? undefined : parseTime(text, now, 'local');
  const since = timeOf(flags.since);
  const until = timeOf(flags.until);
  if (since && until && compareTime(since, until) > 0)
    throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
  const terms = flags.filter.map(parseFilterTerm);
  compileFilter(terms, await loadRegexEngine(terms));
  const words = parseSecretWords(parseOptionText('redactNames', flags.redactNames) as readonly string[]);
  const redactNames = flags.redact ? words : undefined;
  return atHistory(flags, (place) => print(place, { since, until, after: flags.after, terms, redactNames }));
}

async function print(
  { disk, files, pool }: HistoryPlace,
  wish: {
    readonly since: Timestamp | undefined;
    readonly until: Timestamp | undefined;
    readonly after: string | undefined;
    readonly terms: ReturnType<typeof parseFilterTerm>[];
    readonly redactNames: readonly string[] | undefined;
  },
): Promise<number> {
  const { since, until, after, terms, redactNames } = wish;
  if (files.length === 0) {
    if (after !== undefined)
      throw new TocsinError('ERR_CURSOR_FOREIGN', `cursor ${after} belongs to another log; this one is empty`);
    return EXIT_OK;
  }
  const spans = epochsOf(disk, crc32, files);
  const epochs = new Epochs(spans);
  const stdout = new Stdout();
  const progress = new Progress();
  const printGap = (gap: Lagged): Promise<void> => {
    progress.clear();
    notice(gapText(gap));
    return stdout.write(encodeNotice(gap, 'plain'));
  };
  let fromSeq = 1;
  if (after !== undefined) {
    const { seq, lostUpTo } = epochs.resolve(after, headSeqOf(disk, crc32, files));
    fromSeq = seq + 1;
    if (lostUpTo !== undefined)
      await printGap({
        type: 'gap',
        missed: null,
        from: fromSeq,
        to: lostUpTo,
        reason: 'crash',
        oldest: epochs.cursor(seq),
      });
  }
  const stream = new ExportStream(epochs, after === undefined ? undefined : fromSeq);
  const tasks = planScan(disk, crc32, files, {
    fromSeq,
    toSeq: Number.MAX_SAFE_INTEGER,
    since,
    until,
    terms,
    redactNames,
    format: 'json-plain',
    epochs: spans,
  });
  const newest = files.at(-1)?.firstSeq;
  let events = 0;
  for await (const result of pool.run('scan', tasks)) {
    warnOf(result, result.file === newest);
    for (const piece of stream.take(result)) {
      if (piece.type === 'gap') await printGap(piece.gap);
      else await stdout.write(piece.bytes);
    }
    events += result.events;
    if (stream.isDone || stdout.isGone) break;
    if (!process.stdout.isTTY) progress.show(events, ' exported', partOf(files, result));
  }
  progress.clear();
  return EXIT_OK;
}

/** What was passed over, for whoever looks; the lines on stdout say which events that costs. */
function warnOf({ file, isGone, bad }: ScanResult, isNewest: boolean): void {
  const name = fileName(file);
  if (isGone) notice(`${name} is not there any more: retention took it`);
  for (const { offset, length, isTorn } of bad)
    if (!(isTorn && isNewest)) notice(`${name}: at ${offset}, ${length} bytes: no batch as it was written`);
}

function gapText({ missed, from, to, reason }: Lagged): string {
  return `${missed ?? 'an unknown number of'} events are missing (${reason}), ${from} to ${to}`;
}

/** How far an export is, by the files that lie behind it. */
function partOf(files: HistoryPlace['files'], { file }: ScanResult): number {
  const position = files.findIndex(({ firstSeq }) => firstSeq === file);
  return (position + 0.5) / files.length;
}
