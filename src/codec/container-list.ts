import { isContainerId } from '../event/container-table.ts';
import { TocsinError } from '../event/errors.ts';
import type { ListedContainer } from '../messages/engine-source.ts';

/** What an engine says of a container that was started and has not ended; `stopping` is podman's. */
const RUNNING: ReadonlySet<unknown> = new Set(['running', 'paused', 'stopping']);

/** What is looked at of a container in the list of Docker's engine, or podman's. */
interface Row {
  readonly Id?: unknown;
  readonly Names?: unknown;
  readonly Image?: unknown;
  readonly Labels?: unknown;
  readonly State?: unknown;
}

/** Reads an answer to Docker's `GET /containers/json`. @throws ERR_SOURCE_UNREACHABLE when it is none */
export function parseContainerList(text: string): ListedContainer[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (cause) {
    throw notOne(cause);
  }
  if (!Array.isArray(rows)) throw notOne();
  return rows.flatMap((row: unknown) => containerOf(row ?? {}));
}

/** @returns none for one that the log could not know */
function containerOf({ Id, Names, Image, Labels, State }: Row): ListedContainer[] {
  if (typeof Id !== 'string' || !isContainerId(Id)) return [];
  const name = nameIn(Names);
  return [
    {
      id: Id,
      ...(name === undefined ? {} : { name }),
      ...(typeof Image === 'string' ? { image: Image } : {}),
      labels: textsOf(Labels),
      isRunning: RUNNING.has(State),
      isPaused: State === 'paused',
    },
  ];
}

/** `/web` and not `/db/alias`, which a link to the container made. */
function nameIn(names: unknown): string | undefined {
  if (!Array.isArray(names)) return undefined;
  for (const name of names as readonly unknown[]) {
    const [, own] = typeof name === 'string' ? (/^\/?([^/]+)$/.exec(name) ?? []) : [];
    if (own !== undefined) return own;
  }
  return undefined;
}

function textsOf(labels: unknown): Readonly<Record<string, string>> {
  if (typeof labels !== 'object' || labels === null) return {};
  return Object.fromEntries(
    Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function notOne(cause?: unknown): TocsinError {
  return new TocsinError('ERR_SOURCE_UNREACHABLE', 'answered with something that is no list of containers', { cause });
}
