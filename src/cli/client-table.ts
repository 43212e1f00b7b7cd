import type { ClientInfo } from '../messages/control.ts';

/** Where the table is shown, and what it showed before. */
export interface TableView {
  /** Of the terminal; where they are not known (absent, or 0), nothing is cut. */
  readonly columns?: number;
  readonly rows?: number;
  /** The clients as they were so many seconds ago: then rates are shown too. */
  readonly before?: readonly ClientInfo[];
  readonly seconds?: number;
}

interface Column {
  readonly title: string;
  readonly isNumber: boolean;
  text(client: ClientInfo): string;
  /** Shown only where clients differ in it. */
  readonly isExtra?: boolean;
}

const DELIVERED: Column = { title: 'DELIVERED', isNumber: true, text: ({ delivered }) => count(delivered) };
const COLUMNS: readonly Column[] = [
  { title: 'ID', isNumber: false, text: ({ id }) => id },
  { title: 'SHARD', isNumber: true, text: ({ shard }) => String(shard) },
  { title: 'DOOR', isNumber: false, text: ({ door }) => door },
  { title: 'PEER', isNumber: false, text: ({ peer }) => peer },
  { title: 'LISTENER', isNumber: false, text: ({ listener = '-' }) => listener, isExtra: true },
  { title: 'STATE', isNumber: false, text: ({ state }) => state },
  { title: 'LAG', isNumber: true, text: ({ lagEvents }) => count(lagEvents) },
  { title: 'LAG S', isNumber: true, text: ({ lagSeconds }) => (lagSeconds === null ? '?' : lagSeconds.toFixed(1)) },
  DELIVERED,
  { title: 'MISSED', isNumber: true, text: ({ missed }) => count(missed) },
  { title: 'POLICY', isNumber: false, text: ({ policy }) => policy },
  { title: 'FILTER', isNumber: false, text: ({ filter }) => filter },
];

/** Lines of a table of all clients, those that are furthest behind first; above them what they are together. */
export function clientTable(clients: readonly ClientInfo[], view: TableView = {}): string[] {
  const { before, seconds = 0 } = view;
  const earlier = new Map(before?.map((client) => [client.id, client.delivered]));
  const rateOf = ({ id, delivered }: ClientInfo): number => (delivered - (earlier.get(id) ?? delivered)) / seconds;
  const differs = (column: Column): boolean => new Set(clients.map((client) => column.text(client))).size > 1;
  const columns = COLUMNS.filter((column) => !column.isExtra || differs(column));
  if (before)
    columns.splice(columns.indexOf(DELIVERED) + 1, 0, {
      title: 'PER S',
      isNumber: true,
      text: (client) => count(Math.round(rateOf(client))),
    });
  const sorted = [...clients].sort((a, b) => b.lagEvents - a.lagEvents || a.shard - b.shard);
  const cells = [
    columns.map(({ title }) => title),
    ...sorted.map((client) => columns.map((column) => column.text(client))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const lines = cells.map((row) =>
    row.map((cell, index) => pad(cell, widths[index]!, columns[index]!.isNumber)).join('  '),
  );
  const together = before ? clients.reduce((sum, client) => sum + rateOf(client), 0) : undefined;
  return cut([summary(clients, together), '', ...lines], view);
}

function summary(clients: readonly ClientInfo[], perSecond: number | undefined): string {
  const shards = new Map<number, number>();
  for (const { shard } of clients) shards.set(shard, (shards.get(shard) ?? 0) + 1);
  const placed = [...shards].sort(([a], [b]) => a - b).map(([shard, number]) => `${number} on shard ${shard}`);
  const furthest = clients.reduce((most, { lagEvents }) => Math.max(most, lagEvents), 0);
  return [
    `${clients.length} clients${placed.length > 1 ? ` (${placed.join(', ')})` : ''}`,
    ...(perSecond === undefined ? [] : [`${count(Math.round(perSecond))} deliveries/s`]),
    `largest lag ${count(furthest)} events`,
  ].join(', ');
}

function cut(lines: readonly string[], view: TableView): string[] {
  const columns = view.columns || Infinity;
  const rows = view.rows || Infinity;
  const trimmed = lines
    .map((line) => line.trimEnd())
    .map((line) => (line.length > columns ? line.slice(0, columns) : line));
  if (trimmed.length <= rows) return trimmed;
  const shown = Math.max(1, rows - 1);
  return [...trimmed.slice(0, shown), `... and ${trimmed.length - shown} more`];
}

function pad(text: string, width: number, isNumber: boolean): string {
  return isNumber ? text.padStart(width) : text.padEnd(width);
}

function count(value: number): string {
  return value.toLocaleString('en');
}
