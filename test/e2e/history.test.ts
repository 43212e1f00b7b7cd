import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, CHECKOUT, type Daemon, startDaemon, statsOf, temporaryFolder, tocsin } from '../support/daemon.ts';
import { Random } from '../support/random.ts';

interface LoggedEvent {
  readonly seq: number;
  readonly id: string;
  readonly timeNano: string;
  readonly attributes: Readonly<Record<string, string>>;
}

async function logOf(daemon: Daemon): Promise<LoggedEvent[]> {
  const { status, body, complete } = await call(daemon.events, '/v1/events?since=0&follow=false');
  assert.deepEqual([status, complete], [200, true]);
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoggedEvent);
}

/** As Docker prints them, with the moment of each. */
function archive(count: number): { readonly text: string; readonly nanos: readonly string[] } {
  const random = new Random(7);
  const nanos: string[] = [];
  let text = '';
  let sec = 1_600_000_000;
  for (let n = 1; n <= count; n += 1) {
    sec += 1 + random.below(100);
    const nano = `${sec}${String(random.below(1e9)).padStart(9, '0')}`;
    nanos.push(nano);
    const head = '"Type":"container","Action":"start","Actor":{"ID":"old","Attributes":';
    text += `{${head}{"n":"${n}"}},"scope":"local","time":${sec},"timeNano":${nano}}\n`;
  }
  return { text, nanos };
}

describe('tocsin history import', () => {
  const folder = temporaryFolder();
  let daemon: Daemon;

  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon.stop();
    fs.rmSync(folder, { recursive: true });
  });

  function importText(text: string): ReturnType<typeof tocsin> {
    const file = path.join(folder, 'archive.jsonl');
    fs.writeFileSync(file, text);
    return tocsin(['history', 'import', file, '--root', daemon.root]);
  }

  it('imports nothing of a file with a bad line, wherever that is, and names the line', async () => {
    const { text } = archive(3_000);
    for (const [bad, number] of [
      [`{"Type":"container"}\n${text}`, 1],
      [`${text}\n{"Type":"container"}`, 3_002],
    ] as const) {
      const { code, stderr, stdout } = await importText(bad);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`line ${number}: .*\\(ERR_EVENT_INVALID\\)`));
      assert.equal(stdout, '');
      assert.equal((await statsOf(daemon)).headSeq, 0);
    }
  });

  it('says what is wrong with a file that is not there', async () => {
    const { code, stderr } = await tocsin(['history', 'import', path.join(folder, 'none'), '--root', daemon.root]);
    assert.equal(code, 1);
    assert.match(stderr, /\(ERR_FILE_UNREADABLE\)/);
  });

  it('keeps the order, and the times to the nanosecond', async () => {
    const { text, nanos } = archive(3_000);
    const { code, stderr, stdout } = await importText(text);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /3000 events imported/);
    assert.match(stdout, /^[0-9a-z]{8}-3000\n$/);
    const log = await logOf(daemon);
    assert.deepEqual(
      log.map(({ seq, id, attributes, timeNano }) => [seq, id, attributes['n'], timeNano]),
      nanos.map((nano, index) => [index + 1, 'old', String(index + 1), nano]),
    );
    // The past is over: what comes now gets a time of now.
    const line = '{"type":"container","action":"start","id":"new"}';
    assert.equal((await call(daemon.admin, '/v1/events', { method: 'POST', body: line })).status, 200);
    const newest = (await logOf(daemon)).at(-1)!;
    assert.equal(newest.id, 'new');
    assert.ok(BigInt(newest.timeNano) > BigInt(nanos.at(-1)!));
  });

  it('is refused by a log that has events, also when there is much to import', async () => {
    const { headSeq } = await statsOf(daemon);
    assert.ok(headSeq > 0);
    for (const count of [10, 50_000]) {
      const { code, stderr } = await importText(archive(count).text);
      assert.equal(code, 1);
      assert.match(stderr, /\(ERR_LOG_NOT_EMPTY\)/);
    }
    assert.equal((await statsOf(daemon)).headSeq, headSeq);
  });

  it('takes what a real Docker daemon printed', async () => {
    const other = await startDaemon();
    try {
      const file = path.join(CHECKOUT, 'test/vectors/docker-events-format-json.jsonl');
      const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
      const { code, stderr } = await tocsin(['history', 'import', file, '--root', other.root]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        (await logOf(other)).map(({ timeNano }) => timeNano),
        lines.map((line) => /"timeNano":(\d+)/.exec(line)?.[1]),
      );
    } finally {
      await other.stop();
    }
  });
});
