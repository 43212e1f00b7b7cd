import { createPipeline, type Delivery } from '../../../src/index.ts';
import { SequenceCheck } from '../../support/sequence.ts';

/**
 * An embedding program under test: opens every door of one pipeline in its own process and attaches subscribers and push
 * clients when it is told to. Talks over the IPC channel of fork().
 */
export type EmbedderCommand =
  | { readonly type: 'attach'; readonly kind: 'iterable' | 'push'; readonly since?: string; readonly last: number }
  | { readonly type: 'close' };

export type EmbedderNotice =
  | { readonly type: 'ready' }
  | { readonly type: 'attached' }
  | {
      readonly type: 'finished';
      readonly kind: string;
      readonly since: string | undefined;
      readonly count: number;
      readonly first: number;
      readonly last: number;
      readonly breaks: number;
      readonly gaps: number;
    }
  | { readonly type: 'closed'; readonly counters: Readonly<Record<string, number>> };

const [root = '', threads = 'workers', events = '65536', bytes = String(64 * 1024 * 1024)] = process.argv.slice(2);
const tell = (notice: EmbedderNotice): void => void process.send?.(notice);

const pipeline = await createPipeline({
  fifo: `${root}/monitord_fifo`,
  listen: `${root}/tocsin.sock`,
  admin: `${root}/admin.sock`,
  threads: threads === 'inline' ? 'inline' : 'workers',
  historyEvents: Number(events),
  historyBytes: Number(bytes),
});

async function attach({ kind, since, last }: Extract<EmbedderCommand, { type: 'attach' }>): Promise<void> {
  const check = new SequenceCheck();
  let gaps = 0;
  const take = (delivery: Delivery): void => {
    if (delivery.type === 'gap') gaps += 1;
    else if ('attributes' in delivery) check.take(Number(delivery.attributes['seq']));
  };
  const position = since === undefined ? {} : { since };
  const finished = (): void => tell({ type: 'finished', kind, since, ...check.result, gaps });
  if (kind === 'iterable') {
    const subscriber = await pipeline.subscribe(position);
    tell({ type: 'attached' });
    for await (const delivery of subscriber) {
      take(delivery);
      if (check.last >= last) break;
    }
  } else {
    const client = await pipeline.addClient({ ...position, write: take, isCancelled: () => check.last >= last });
    tell({ type: 'attached' });
    await client.done;
  }
  finished();
}

process.on('message', (command: EmbedderCommand) => {
  if (command.type === 'attach') void attach(command);
  else {
    void pipeline.close().then(() => {
      tell({ type: 'closed', counters: pipeline.stats().counters });
      process.disconnect();
    });
  }
});
tell({ type: 'ready' });
