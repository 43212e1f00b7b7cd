// Follow a daemon and resume exactly: node examples/2-tail.mjs SOCKET [CURSOR]; without a cursor from the beginning to the present end.
import http from 'node:http';

const [socketPath, cursor] = process.argv.slice(2);
const query = cursor ? `after=${cursor}` : 'since=0';
http.get({ socketPath, path: `/v1/events?${query}&follow=false` }, async (response) => {
  response.setEncoding('utf8');
  let rest = '';
  for await (const piece of response) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.type === 'gap') console.log(`${event.missed} events are gone`);
      // Keep the cursor when you have dealt with the event: behind it you go on, after your restart too.
      else console.log(event.cursor, event.action, event.id);
    }
  }
});
