// Publish a batch to a daemon, twice: node examples/3-publish.mjs ADMIN_SOCKET. The second time adds nothing.
import http from 'node:http';

const [socketPath] = process.argv.slice(2);
const lines = ['create', 'start'].map((action) => JSON.stringify({ type: 'container', action, id: 'c1' }));

function post(sequence) {
  const path = `/v1/events?publisher=example&sequence=${sequence}`;
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method: 'POST', path }, (response) => {
      response.setEncoding('utf8').once('data', (body) => resolve(JSON.parse(body)));
    });
    request.once('error', reject).end(lines.join('\n'));
  });
}

for (const attempt of ['first', 'again']) {
  const { appended, repeated } = await post(1);
  console.log(`${attempt}: ${appended} appended, ${repeated} had been there`);
}
