import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildPrograms } from '../../src/cli/bench/programs.ts';
import { type Kind, KINDS } from '../kills/fault-plan.ts';
import { ACTORS, type Death } from '../kills/killer.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { demandExact, NativeLoad } from '../support/native-load.ts';
import { type Figures, figuresOf } from '../support/process-figures.ts';
import type { HostCommand, HostNotice } from './host.ts';
import type { KindFigures, VisitorsCommand, VisitorsNotice } from './visitors.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Records a second. */
  readonly rate: number;
  /** C clients that read everything and come back when they are cut off. */
  readonly readers: number;
  /** Clients of all kinds that come and go. */
  readonly visitors: number;
  readonly killEverySeconds: number;
  readonly sampleSeconds: number;
}

export interface Sample extends Figures {
  readonly second: number;
}

export interface Soak {
  readonly sent: number;
  readonly accepted: number;
  readonly readers: number;
  readonly resumed: number;
  readonly kinds: Readonly<Record<string, KindFigures>>;
  readonly faults: readonly string[];
  readonly deaths: readonly Death[];
  /** Before the first client. */
  readonly before: Figures;
  readonly samples: readonly Sample[];
  /** Once all clients have gone. */
  readonly after: Figures;
}

/** As many as there are visitors at most, so that each has one of its own. */
const CONTAINERS = 100;
const LIMIT_MS = 60_000;
/** A shard that reads gRPC calls and is ended otherwise may take the process with it: docs/supervision.md. */
const KINDS_WITH_GRPC: readonly Kind[] = ['exit', 'throw', 'loop'];

/** A process of the pipeline under load, for a long time. @throws when a reader has not got every event once and in order */
export async function soak(options: SoakOptions, onSample: (sample: Sample, deaths: number) => void): Promise<Soak> {
  const { seconds, rate, readers, visitors, killEverySeconds, sampleSeconds } = options;
  const root = temporaryFolder();
  const events = path.join(root, 'tocsin.sock');
  const host = start('host.js', [root]);
  let load: NativeLoad | undefined;
  let crowd: ChildProcess | undefined;
  try {
    const ended = new Promise<never>((_, reject) =>
      host.once('exit', (code, signal) => reject(new Error(`the pipeline's process ended: ${code ?? signal}`))),
    );
    ended.catch(() => {});
    const gone = (child: ChildProcess): Promise<never> =>
      new Promise((_, reject) => child.once('exit', () => setImmediate(reject, new Error('the visitors ended'))));
    const closed = noticeOf<HostNotice, 'closed'>(host, 'closed');
    const deaths: Death[] = [];
    host.on('message', (notice: HostNotice) => notice.type === 'death' && deaths.push(notice.death));
    await Promise.race([ended, noticeOf<HostNotice, 'ready'>(host, 'ready')]);
    const before = figuresOf(host.pid!);
    load = await NativeLoad.start({ root, events, fifo: path.join(root, 'fifo') }, buildPrograms(), {
      rate,
      clients: readers,
      resume: true,
      containers: CONTAINERS,
    });
    crowd = start('visitors.js', [events, String(visitors), String(CONTAINERS)]);
    const finished = noticeOf<VisitorsNotice, 'finished'>(crowd, 'finished');
    const samples: Sample[] = [];
    let kills = 0;
    for (let second = sampleSeconds; second <= seconds; second += sampleSeconds) {
      await Promise.race([ended, wait(sampleSeconds * 1000)]);
      const sample = { second, ...figuresOf(host.pid!) };
      samples.push(sample);
      onSample(sample, deaths.length);
      // Not so late that the end comes before the new beginning.
      if (second >= (kills + 1) * killEverySeconds && second < seconds && deaths.length === kills) {
        const actor = ACTORS[kills % ACTORS.length]!;
        const kinds = actor === 'fanout' ? KINDS_WITH_GRPC : KINDS;
        tell<HostCommand>(host, {
          type: 'kill',
          actor,
          kind: kinds[Math.floor(kills / ACTORS.length) % kinds.length]!,
        });
        kills += 1;
      }
    }
    const deadline = performance.now() + LIMIT_MS;
    while (deaths.length < kills && performance.now() < deadline) await Promise.race([ended, wait(100)]);
    const sent = await load.stop();
    tell<VisitorsCommand>(crowd, { type: 'finish', sent });
    const { kinds, faults } = await Promise.race([ended, gone(crowd), finished]);
    const received = await load.end();
    demandExact(received);
    await wait(1_000);
    const after = figuresOf(host.pid!);
    tell<HostCommand>(host, { type: 'close' });
    const { headSeq } = await Promise.race([ended, closed]);
    const unmended = deaths.length < kills ? [`${kills - deaths.length} threads did not begin anew`] : [];
    return {
      sent,
      accepted: headSeq,
      readers,
      resumed: received.resumed,
      kinds,
      faults: [...faults, ...unmended],
      deaths,
      before,
      samples,
      after,
    };
  } finally {
    load?.kill();
    crowd?.kill('SIGKILL');
    host.kill('SIGKILL');
    fs.rmSync(root, { recursive: true, force: true });
  }
}

function start(module: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function tell<Command extends object>(child: ChildProcess, command: Command): void {
  child.send(command);
}

function noticeOf<Notice extends { readonly type: string }, Type extends Notice['type']>(
  child: ChildProcess,
  type: Type,
): Promise<Extract<Notice, { type: Type }>> {
  return new Promise((resolve) =>
    child.on('message', (notice: Notice) => {
      if (notice.type === type) resolve(notice as Extract<Notice, { type: Type }>);
    }),
  );
}
