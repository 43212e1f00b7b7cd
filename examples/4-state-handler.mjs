// Act on containers that stopped: in order per container, with a time-out that holds nobody else up.
import { createPipeline } from 'tocsin';

const pipeline = await createPipeline();
const handlers = await pipeline.handleStates({
  timeoutMs: 1000,
  async handle(event, { signal }) {
    if (signal.aborted) return;
    console.log(`restart ${event.id}, it ended with ${event.exitCode}`);
  },
  onError: (error, event) => console.log(`${event?.id}: ${error.message}`),
});
await pipeline.publishDurable([
  { type: 'container', action: 'start', id: 'web' },
  { type: 'container', action: 'die', id: 'web', exitCode: 1 },
  { type: 'container', action: 'die', id: 'db', exitCode: 137 },
]);
await pipeline.close(); // lets the handlers finish
console.log(handlers.stats.handled, 'handled; go on with', handlers.cursor.split('-')[1]);
