import type { TocsinEvent } from '../event/event.ts';
import { formatLocalTime, parseTime } from '../event/time.ts';

/**
 * An event as `isula events` prints it, in local time and with sorted annotations:
 * `2022-05-10T17:20:34.661862100+08:00 container start 3277... (image=busybox, name=3277..., pid=9007)`. One that no engine told
 * ends with ` (synthetic)`.
 */
export function formatTextLine(event: TocsinEvent): string {
  const { exitCode, pid } = event;
  const annotations = Object.entries({
    ...event.attributes,
    ...(pid === undefined ? {} : { pid: String(pid) }),
    ...(exitCode ? { exitCode: String(exitCode) } : {}),
  })
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  const time = formatLocalTime(parseTime(event.time, { sec: 0, nanos: 0 }));
  const args = event.args === undefined ? '' : `: ${event.args}`;
  const tail = annotations.length === 0 ? '' : ` (${annotations.join(', ')})`;
  const mark = event.synthetic ? ' (synthetic)' : '';
  return `${time} ${event.type} ${event.action}${args} ${event.id}${tail}${mark}`;
}
