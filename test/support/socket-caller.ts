/*
 * A program of its own, so that it can be run as another user: requests over unix sockets, one after the other.
 *   node socket-caller.js '[["/x.sock","GET","/path"],["/x.sock","POST","/path","body"],...]'
 * Prints a list with `{"status","body"}` for each, or `{"error"}` where it cannot connect.
 */
import http from 'node:http';

type Call = readonly [socketPath: string, method: string, path: string, body?: string];

const found: unknown[] = [];
for (const call of JSON.parse(process.argv[2] ?? '[]') as Call[]) found.push(await answer(call));
process.stdout.write(JSON.stringify(found));
process.exit();

function answer([socketPath, method, path, body = '']: Call): Promise<unknown> {
  return new Promise((resolve) => {
    const request = http.request({ socketPath, method, path, timeout: 5_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.once('close', () => resolve({ status: response.statusCode, body: text }));
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    request.end(body);
  });
}
