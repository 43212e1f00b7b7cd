import path from 'node:path';
import { createPipeline } from '../../src/create-pipeline.ts';
import type { Kind } from '../kills/fault-plan.ts';
import { type Death, Killer } from '../kills/killer.ts';
import { Random } from '../support/random.ts';

/** The process whose memory is watched: a pipeline with the history on disk, whose threads die when it is told so. Talks over fork()'s channel. */
export type HostCommand =
  | { readonly type: 'kill'; readonly actor: string; readonly kind: Kind }
  | { readonly type: 'close' };

export type HostNotice =
  | { readonly type: 'ready' }
  | { readonly type: 'death'; readonly death: Death }
  | { readonly type: 'closed'; readonly headSeq: number; readonly counters: Readonly<Record<string, number>> };

const [root = '', seed = '1'] = process.argv.slice(2);
const random = new Random(Number(seed));
const killer = new Killer(() => random.next());
const pipeline = await createPipeline({
  fifo: path.join(root, 'fifo'),
  listen: [path.join(root, 'tocsin.sock')],
  history: root,
  ...killer.options,
});
const tell = (notice: HostNotice): void => void process.send?.(notice);

async function close(): Promise<void> {
  const { headSeq, counters } = pipeline.stats();
  await pipeline.close();
  tell({ type: 'closed', headSeq, counters });
  process.disconnect();
}

// Whoever began it has gone.
process.once('disconnect', () => process.exit());
process.on('message', (command: HostCommand) => {
  if (command.type === 'close') void close();
  else void killer.kill(command.actor, command.kind).then((death) => tell({ type: 'death', death }));
});
tell({ type: 'ready' });
