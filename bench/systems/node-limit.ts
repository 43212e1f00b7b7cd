import net from 'node:net';

/** `node node-limit.js SOCKET CLIENTS EVENTS`: so many times 300 bytes to each of so many clients, in shared writes of 64 KiB. */
const EVENT_BYTES = 300;
const WRITE_BYTES = 64 * 1024;
const [socketPath, clients, events] = process.argv.slice(2);
const total = Number(events) * EVENT_BYTES;
const block = Buffer.alloc(WRITE_BYTES, 'x');
const rest = block.subarray(0, total % WRITE_BYTES);
const sockets: net.Socket[] = [];

function pump(socket: net.Socket): void {
  for (;;) {
    const left = total - socket.bytesWritten;
    if (left <= 0) return;
    if (!socket.write(left >= WRITE_BYTES ? block : rest)) return;
  }
}

net
  .createServer((socket) => {
    sockets.push(socket);
    socket.on('drain', () => pump(socket)).on('error', () => {});
    if (sockets.length === Number(clients)) for (const each of sockets) pump(each);
  })
  .listen(socketPath, 4096, () => console.log('listening'));
