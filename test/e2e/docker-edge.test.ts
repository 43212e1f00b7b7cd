import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, CHECKOUT, type Daemon, startDaemon, tocsin } from '../support/daemon.ts';
import { edgeRows } from '../support/docker-edge.ts';

const ROWS = edgeRows();
const EVENTS = path.join(CHECKOUT, 'test/vectors/docker-edge-events.jsonl');
const PAGE = 'docs/docker-deviations.md';
/** A row of the table: the request, the engine's answer, ours, why. */
const TABLE_ROW = /^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (.+) \|$/;

/** A second ago: the recording's own `until` for whatever had to end. */
const PAST = Math.floor(Date.now() / 1000) - 1;
const EVENTS_PATH = '/v1.41/events';
const until = (value: string): string => `${EVENTS_PATH}?until=${encodeURIComponent(value)}`;
const since = (value: string): string => `${EVENTS_PATH}?since=${encodeURIComponent(value)}&until=${PAST}`;

/** What the rows whose name is no query stand for. */
const REQUESTS: Readonly<Record<string, string>> = {
  'HEAD _ping': 'HEAD /_ping',
  'GET v_ping': 'GET /v1.41/_ping',
  'HEAD events': `HEAD ${EVENTS_PATH}`,
  'too new': 'GET /v1.99/events',
  '404': 'GET /v1.41/nope',
  'bad version': 'GET /vx.y/events',
  'trailing slash': `GET ${EVENTS_PATH}/`,
  'dup since': `GET ${EVENTS_PATH}?since=abc&since=0&until=${PAST}`,
  'bad pct': `GET ${EVENTS_PATH}?until=%zz`,
  'until past': `GET ${until(`${PAST}`)}`,
  'until past .5': `GET ${until(`${PAST}.5`)}`,
  'until 25 digits frac': `GET ${until(`1.${'1'.repeat(25)}`)}`,
  'until neg': `GET ${until('-5')}`,
  'until +5': `GET ${until('+5')}`,
  'until 1e9': `GET ${until('1e9')}`,
  'until hex': `GET ${until('0x10')}`,
  'until rfc3339': `GET ${until('2020-01-01T00:00:00Z')}`,
  // Both the same moment, at which nothing happened.
  'since=until': `GET ${EVENTS_PATH}?since=${PAST}&until=${PAST}`,
  'since empty': `GET ${since('')}`,
};

function requestOf(name: string): string {
  const known = REQUESTS[name];
  if (known !== undefined) return known;
  const [, key = '', value = ''] = /^(until|since|filters)=(.*)$/.exec(name) ?? assert.fail(`what is ${name}?`);
  if (key === 'until') return `GET ${until(value)}`;
  if (key === 'since') return `GET ${since(value)}`;
  return `GET ${EVENTS_PATH}?until=${PAST}&filters=${encodeURIComponent(value)}`;
}

/** Status, content type and number of lines; of an error also what it says. As the table writes it. */
function answerText(status: number, type: string, body: string, lines = body.split('\n').length - 1): string {
  const count = `${status} ${type} lines=${lines}`;
  if (status === 200 || body === '') return count;
  const { message } = JSON.parse(body) as { readonly message: string };
  return `${count}: ${message}`;
}

describe('The answers of a real engine to awkward requests', () => {
  const deviations = new Map(
    fs
      .readFileSync(path.join(CHECKOUT, PAGE), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, name, engine, ours, reason] = TABLE_ROW.exec(line) ?? [];
        return name === undefined ? [] : [[name, { engine, ours, reason }] as const];
      }),
  );
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon();
    const imported = await tocsin(['history', 'import', EVENTS, '--root', daemon.root]);
    assert.match(imported.stdout, /-20\n$/, imported.stderr);
  });
  after(() => daemon.stop());

  it('are 60, as the page says, and no two of them are called the same', () => {
    assert.equal(ROWS.length, 60);
    assert.equal(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
  });

  for (const { name, status, type, lines, body } of ROWS) {
    it(`${name}: is ours, or stands in ${PAGE}`, async () => {
      const [method = '', target = ''] = requestOf(name).split(' ');
      const answer = await call(daemon.events, target, { method });
      assert.ok(answer.complete, 'the answer was cut');
      const engine = answerText(status, type, body, lines);
      const ours = answerText(answer.status, answer.headers['content-type'] ?? '', answer.body);
      const deviation = deviations.get(name);
      if (!deviation) return assert.equal(ours, engine);
      assert.notEqual(ours, engine, 'the table has a deviation that is none');
      assert.deepEqual([engine, ours], [deviation.engine, deviation.ours]);
    });
  }

  it(`stand in ${PAGE} with a reason, and nothing else does`, () => {
    const names = new Set(ROWS.map(({ name }) => name));
    assert.deepEqual(
      [...deviations].filter(([name, { reason }]) => !names.has(name) || !reason?.trim()),
      [],
    );
  });
});
