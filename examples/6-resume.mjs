// Follow a daemon over its restarts and yours: node examples/6-resume.mjs SOCKET CURSOR_FILE [COUNT]
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { TocsinClient } from 'tocsin/client';

const [socketPath, cursorFile, count] = process.argv.slice(2);
const client = new TocsinClient({ host: `unix://${socketPath}` });
const events = client.events({ ...start(), filter: ['type=container'], onState: ({ state }) => console.error(state) });

let handled = 0;
for await (const event of events) {
  if ('missed' in event) console.log(`${event.missed} events are gone`);
  else console.log(event.seq, event.action, event.id);
  // The event has been dealt with. Behind it you go on; a whole file takes the old one's place.
  writeFileSync(`${cursorFile}.tmp`, events.cursor);
  renameSync(`${cursorFile}.tmp`, cursorFile);
  if (++handled === Number(count)) break; // closes the connection
}

/** Behind the cursor of the run before, or at the beginning. */
function start() {
  try {
    return { after: readFileSync(cursorFile, 'utf8') };
  } catch {
    return { since: '0' };
  }
}
