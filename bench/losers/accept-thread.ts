import net from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

const { listenFd } = workerData as { readonly listenFd?: number };
let accepted = 0;

function answer(socket: net.Socket): void {
  accepted += 1;
  socket.on('error', () => {});
  socket.write('x');
}

parentPort?.on('message', (message: 'count' | number) => {
  if (message === 'count') parentPort?.postMessage(accepted);
  else answer(new net.Socket({ fd: message, allowHalfOpen: false, readable: true, writable: true }));
});
if (listenFd === undefined) parentPort?.postMessage('ready');
else net.createServer(answer).listen({ fd: listenFd }, () => parentPort?.postMessage('ready'));
