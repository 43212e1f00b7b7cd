import { TocsinError } from './errors.ts';

/** An engine whose events are taken in. */
export interface SourceAddress {
  /** What its events have as `source`. */
  readonly name: string;
  readonly socketPath: string;
}

const SOURCE = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})=unix:\/\/(\/.+)$/;

/** The engine in `docker=unix:///var/run/docker.sock`. @throws ERR_OPTION_INVALID */
export function parseSource(text: string): SourceAddress {
  const [, name = '', socketPath = ''] = SOURCE.exec(text) ?? [];
  if (!name)
    throw new TocsinError(
      'ERR_OPTION_INVALID',
      `source: expected NAME=unix:///path/to.sock, got ${JSON.stringify(text)}`,
    );
  return { name, socketPath };
}

/** @throws ERR_OPTION_INVALID also for a name that two have, or that another intake has */
export function parseSources(texts: readonly string[]): readonly SourceAddress[] {
  const sources = texts.map(parseSource);
  const names = new Set(['fifo']);
  for (const { name } of sources) {
    if (names.has(name)) throw new TocsinError('ERR_OPTION_INVALID', `source: the name ${name} is taken`);
    names.add(name);
  }
  return sources;
}
