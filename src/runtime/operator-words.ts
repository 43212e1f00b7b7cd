import type { HistoryNotice } from '../messages/collector.ts';
import type { SourceNotice } from '../messages/engine-source.ts';
import type { MonitoredNotice } from '../messages/monitored.ts';
import { assertNever } from '../event/errors.ts';

/** What the operator should hear of what an actor tells main; undefined = it is for main alone. */
export function sentenceOf(notice: HistoryNotice | MonitoredNotice | SourceNotice): string | undefined {
  switch (notice.type) {
    case 'history-failed':
      return `the history cannot be written: ${notice.error.message}`;
    case 'history-recovered':
      return 'the history is written again';
    case 'history-slow':
      return `the disk took ${Math.round(notice.ms)} ms for a write of the history`;
    case 'intake-polled':
      return `the FIFO cannot be watched, and is polled instead: ${notice.why}`;
    case 'source-said':
      return notice.message;
    case 'intake-stopped':
      return undefined;
    default:
      return assertNever(notice);
  }
}
