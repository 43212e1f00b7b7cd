// A pipeline inside your program: publish, subscribe, close.
import { createPipeline } from 'tocsin';

const pipeline = await createPipeline();
const events = await pipeline.subscribe({ filter: ['event=start', 'event=die'] });
pipeline.publish({ type: 'container', action: 'start', id: 'c1', attributes: { image: 'nginx:1.27' } });
pipeline.publish({ type: 'container', action: 'top', id: 'c1' });
pipeline.publish({ type: 'container', action: 'die', id: 'c1', exitCode: 137 });

for await (const event of events) {
  if ('missed' in event) continue;
  console.log(event.seq, event.action, event.id, event.exitCode ?? '');
  if (event.action === 'die') break;
}
await pipeline.close();
