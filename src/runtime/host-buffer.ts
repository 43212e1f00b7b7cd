import { availableParallelism } from 'node:os';
import { HistoryBuffer } from '../actors/buffer.ts';
import { Epochs } from '../event/epochs.ts';
import { isDurable } from '../event/options.ts';
import { parseSecretWords } from '../event/secret-names.ts';
import { HistoryFiles } from '../history/history-files.ts';
import { headsOf } from '../history/recovery.ts';
import { HistoryScans } from '../history/history-scans.ts';
import type { BufferRequest } from '../messages/buffer.ts';
import type { HistoryFileNotice, LogNotice } from '../messages/collector.ts';
import type { BufferControl } from '../messages/control.ts';
import { LiveSettings } from '../messages/live-settings.ts';
import { LogState } from '../messages/log-state.ts';
import type { HostInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { crc32, HistoryFolder } from './history-folder.ts';
import { scanAdmission } from './scan-admission.ts';
import { ThreadedScans } from './scan-pool.ts';
import { countersOf, type Hosted, outbox } from './hosting.ts';

const RETENTION_TICK_MS = 1000;
/** Live events go before history. */
const SCAN_NICENESS = 10;

export function hostBuffer(init: HostInit): Hosted {
  const { options, recovered } = init;
  const { history, memoryBytes } = options;
  const isOnDisk = isDurable(options);
  const counters = countersOf(init);
  const settings = new LiveSettings(init.memory.settings);
  const limits = {
    get events() {
      return settings.get('historyEvents');
    },
    get bytes() {
      const bytes = settings.get('historyBytes');
      return isOnDisk ? bytes : Math.min(bytes, memoryBytes);
    },
    get ageMs() {
      return settings.get('historyAge');
    },
  };
  const folder = isOnDisk ? new HistoryFolder(history) : undefined;
  const files = init.isAnew && folder ? headsOf(folder, crc32) : recovered.files;
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  const scans =
    folder &&
    new HistoryScans({
      disk: folder,
      crc32,
      pool: new ThreadedScans(history, threads, SCAN_NICENESS),
      admission: scanAdmission(2 * threads),
      redactNames: parseSecretWords(options.redactNames),
    });
  const buffer = new HistoryBuffer({
    logState: new LogState(init.memory.logState),
    headSeq: recovered.headSeq,
    limits: isOnDisk ? { events: 0, bytes: memoryBytes, ageMs: 0 } : limits,
    files:
      folder &&
      new HistoryFiles({
        disk: folder,
        crc32,
        limits,
        files,
        onCorrupt: (length) => counters.add('historyCorrupt', length),
      }),
    scans,
    epochs: new Epochs(recovered.epochs),
    kept: limits,
    clock: systemClock(),
    defer: setImmediate,
    counters,
  });
  for (const memory of init.segments) buffer.receive({ type: 'segment-opened', memory });
  init.links.listen<LogNotice | HistoryFileNotice | BufferRequest>((message, from) => {
    if (message.type === 'read-page' || message.type === 'locate-time') buffer.answer(message, outbox(init, from));
    else buffer.receive(message);
  });
  const timer = setInterval(() => buffer.tick(), RETENTION_TICK_MS);
  return {
    control: { held: () => buffer.held() } satisfies BufferControl,
    async stop() {
      clearInterval(timer);
      folder?.close();
      await scans?.close();
    },
  };
}
