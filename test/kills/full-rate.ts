import fs from 'node:fs';
import path from 'node:path';
import { createPipeline } from '../../src/create-pipeline.ts';
import { buildPrograms } from '../../src/cli/bench/programs.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { demandExact, NativeLoad } from '../support/native-load.ts';
import { ACTORS, type Death, Killer, kindAt } from './killer.ts';

/** As much as a client may be behind: what is beyond it has to be read from disk. */
const AHEAD = 50_000;
const CLIENTS = 10;

export interface FullRate {
  readonly deaths: readonly Death[];
  readonly sent: number;
  readonly seconds: number;
  readonly resumed: number;
}

/**
 * So many deaths of each actor while a C program writes as many records as the FIFO takes and C clients read all of them.
 * @throws when a client has not got every event once and in order
 */
export async function killAtFullRate(kills: number, random: () => number): Promise<FullRate> {
  const root = temporaryFolder();
  const daemon = { root, fifo: path.join(root, 'fifo'), events: path.join(root, 'tocsin.sock') };
  const killer = new Killer(random);
  const pipeline = await createPipeline({
    fifo: daemon.fifo,
    listen: [daemon.events],
    history: root,
    ...killer.options,
  });
  let load: NativeLoad | undefined;
  try {
    load = await NativeLoad.start(daemon, buildPrograms(), { rate: 0, clients: CLIENTS, resume: true, ahead: AHEAD });
    const beganMs = performance.now();
    for (let index = 0; index < kills; index += 1)
      for (const actor of ACTORS) {
        const { kind, window, recoveryMs } = await killer.kill(actor, kindAt(index));
        if (process.stdout.isTTY) console.log(`${actor} ${index + 1}: ${kind} at ${window}, ${recoveryMs} ms`);
      }
    const seconds = (performance.now() - beganMs) / 1000;
    const received = await load.end();
    demandExact(received);
    const { sent, resumed } = received;
    return { deaths: killer.deaths, sent, seconds, resumed };
  } finally {
    load?.kill();
    await pipeline.close();
    fs.rmSync(root, { recursive: true, force: true });
  }
}
