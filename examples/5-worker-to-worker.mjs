// Two threads of your program, with no thread of yours between them: one publishes, the other receives.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { createPipeline, openConnection } from 'tocsin';

if (isMainThread) {
  const pipeline = await createPipeline();
  const thread = async (role) => {
    const port = await pipeline.connect();
    const worker = new Worker(new URL(import.meta.url), { workerData: { role, port }, transferList: [port] });
    return new Promise((resolve) => worker.once('exit', resolve));
  };
  await Promise.all([thread('receive'), thread('publish')]);
  await pipeline.close();
} else {
  const connection = await openConnection(workerData.port);
  if (workerData.role === 'publish') {
    const events = Array.from({ length: 1000 }, (_, n) => ({ type: 'container', action: 'start', id: `c${n + 1}` }));
    await connection.publishDurable(events);
  } else {
    let received = 0;
    for await (const event of await connection.subscribe({ since: '0' })) {
      received += 1;
      if (event.id === 'c1000') break;
    }
    console.log(received, 'events received');
  }
  await connection.close();
}
