import { TocsinError } from '../event/errors.ts';
import { formatTime } from '../event/time.ts';
import type { FileSummary } from '../history/file-summary.ts';
import { fileName } from '../history/history-file.ts';
import { EXIT_OK } from './exit.ts';
import { atHistory, notice, type PlaceFlags } from './history-place.ts';
import { Progress } from './progress.ts';
import { Stdout } from './stdout.ts';

interface StatsFlags extends PlaceFlags {
  readonly format: string;
}

interface Tally {
  readonly name: string;
  readonly events: number;
}

/** What `--format json` prints. */
interface HistoryStats {
  readonly files: readonly FileRow[];
  readonly total: Omit<FileRow, 'epoch' | 'file'> & { readonly files: number };
  readonly actions: readonly Tally[];
  readonly containers: readonly Tally[];
}

interface FileRow {
  readonly file: string;
  readonly firstSeq: number | null;
  readonly events: number;
  readonly bytes: number;
  readonly batches: number;
  /** Of the first and the last event; null without one. */
  readonly from: string | null;
  readonly to: string | null;
  readonly epoch: string | null;
}

const TOP_CONTAINERS = 10;

/** Counts what there is in a history. */
export function showStats(flags: StatsFlags): Promise<number> {
  if (flags.format !== 'text' && flags.format !== 'json')
    throw new TocsinError('ERR_OPTION_INVALID', `format: expected text or json, got ${JSON.stringify(flags.format)}`);
  return atHistory(flags, async ({ files, pool }) => {
    const progress = new Progress();
    const wholeBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const summaries: FileSummary[] = [];
    let doneBytes = 0;
    let events = 0;
    const tasks = files.map(({ firstSeq }) => ({ file: firstSeq }));
    for await (const summary of pool.run('summarize', tasks)) {
      const name = fileName(summary.file);
      if (summary.isGone) notice(`${name} is not there any more: retention took it`);
      else summaries.push(summary);
      if (summary.badBytes > 0)
        notice(`${name}: ${summary.badBytes} bytes cannot be read; see \`tocsin history verify\``);
      doneBytes += summary.bytes;
      events += summary.events;
      progress.show(events, '', doneBytes / Math.max(1, wholeBytes));
    }
    progress.clear();
    const stats = statsOf(summaries);
    await new Stdout().write(flags.format === 'json' ? `${JSON.stringify(stats)}\n` : textOf(stats));
    return EXIT_OK;
  });
}

function statsOf(summaries: readonly FileSummary[]): HistoryStats {
  const actions = new Map<string, number>();
  const containers = new Map<string, number>();
  for (const summary of summaries) {
    merge(actions, summary.actions);
    merge(containers, summary.containers);
  }
  const rows = summaries.map(rowOf);
  const sum = (field: 'events' | 'bytes' | 'batches'): number => rows.reduce((before, row) => before + row[field], 0);
  return {
    files: rows,
    total: {
      files: rows.length,
      firstSeq: rows[0]?.firstSeq ?? null,
      events: sum('events'),
      bytes: sum('bytes'),
      batches: sum('batches'),
      from: rows.find((row) => row.from !== null)?.from ?? null,
      to: rows.findLast((row) => row.to !== null)?.to ?? null,
    },
    actions: most(actions, Infinity),
    containers: most(containers, TOP_CONTAINERS),
  };
}

function rowOf({ file, events, bytes, batches, first, last, epoch }: FileSummary): FileRow {
  return {
    file: fileName(file),
    firstSeq: file,
    events,
    bytes,
    batches,
    from: first ? formatTime(first) : null,
    to: last ? formatTime(last) : null,
    epoch: epoch ?? null,
  };
}

function merge(into: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [key, count] of counts) into.set(key, (into.get(key) ?? 0) + count);
}

function most(counts: ReadonlyMap<string, number>, limit: number): Tally[] {
  return [...counts]
    .map(([name, events]) => ({ name, events }))
    .sort((a, b) => b.events - a.events || (a.name < b.name ? -1 : 1))
    .slice(0, limit);
}

function textOf({ files, total, actions, containers }: HistoryStats): string {
  const cells = (row: Omit<FileRow, 'file' | 'epoch'>, epoch: string): string[] => [
    String(row.firstSeq ?? '-'),
    String(row.events),
    String(row.bytes),
    row.from ?? '-',
    row.to ?? '-',
    String(row.batches),
    epoch,
  ];
  const sections = [
    table(
      ['FIRST', 'EVENTS', 'BYTES', 'FROM', 'TO', 'BATCHES', 'EPOCH'],
      [...files.map((row) => cells(row, row.epoch ?? 'damaged')), cells(total, `${total.files} files`)],
    ),
    table(
      ['EVENTS', 'ACTION'],
      actions.map(({ name, events }) => [String(events), name]),
    ),
    table(
      ['EVENTS', 'CONTAINER'],
      containers.map(({ name, events }) => [String(events), name]),
    ),
  ];
  return sections.join('\n');
}

/** Columns as wide as what is in them. What stands there is text of events, so nothing that a terminal obeys gets through. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  // oxlint-disable-next-line no-control-regex
  const plain = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?')));
  const widths = head.map((_, column) => Math.max(...plain.map((row) => row[column]?.length ?? 0)));
  return plain
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
