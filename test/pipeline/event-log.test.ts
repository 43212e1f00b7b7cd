import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { createPipeline, type NewEvent } from '../../src/index.ts';
import { startDaemon, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';

describe('the event log', () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'events.log');
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('has a line for every event from the first one on, in order, over a rotation too', async () => {
    const pipeline = await createPipeline({ eventLog: file, historyEvents: 100_000 });
    const batch = (from: number): NewEvent[] =>
      Array.from({ length: 500 }, (_, index) => ({ type: 'container', action: 'start', id: `c${from + index}` }));
    for (let from = 1; from <= 10_000; from += 500) {
      await pipeline.publishDurable(batch(from));
      if (from !== 5_001) continue;
      fs.renameSync(file, `${file}.1`);
      assert.equal(await pipeline.reopenEventLog(), true);
    }
    await pipeline.close();
    const lines = [`${file}.1`, file].flatMap((name) => fs.readFileSync(name, 'utf8').trimEnd().split('\n'));
    assert.equal(lines.length, 10_000);
    for (const [index, line] of lines.entries())
      assert.match(line, new RegExp(`^\\d{4}-\\S+Z Event: \\{Object: c${index + 1}, Type: container start\\}$`));
    assert.ok(fs.statSync(file).size > 0);
  });

  it('is as iSulad writes it: pid and exit code, then the attributes in their order, one line whatever they hold', async () => {
    fs.rmSync(file, { force: true });
    const pipeline = await createPipeline({ threads: 'inline', eventLog: file });
    await pipeline.publishDurable([
      { type: 'container', action: 'exec_create', args: 'ls\n-l', id: 'c1', pid: 7, attributes: { z: '1', a: 'x\ty' } },
      { type: 'container', action: 'die', id: 'c1', exitCode: 3, attributes: { name: 'web' } },
      { type: 'container', action: 'die', id: 'c1', exitCode: 0 },
    ]);
    await pipeline.close();
    assert.deepEqual(fs.readFileSync(file, 'utf8').replaceAll(/^\S+ /gm, '').trimEnd().split('\n'), [
      'Event: {Object: c1, Type: container exec_create: ls\\u000a-l (pid=7, z=1, a=x\\u0009y)}',
      'Event: {Object: c1, Type: container die (exitCode=3, name=web)}',
      'Event: {Object: c1, Type: container die}',
    ]);
  });

  it('that cannot be written keeps the pipeline from starting', async () => {
    await assert.rejects(createPipeline({ eventLog: path.join(folder, 'no/such/folder/x') }), (error: Error) => {
      assert.equal((error.cause as { code: string }).code, 'ERR_EVENT_LOG_UNUSABLE');
      return true;
    });
  });

  it('of a daemon is opened anew on SIGHUP', async () => {
    const log = path.join(folder, 'daemon.log');
    const daemon = await startDaemon(['--event-log', log]);
    await tocsin(['send', 'container', 'c1', 'START', '--root', daemon.root]);
    await waitFor(() => fs.readFileSync(log, 'utf8').includes('Object: c1'), 'the first line');
    fs.renameSync(log, `${log}.1`);
    process.kill(daemon.pid, 'SIGHUP');
    await waitFor(() => daemon.log().includes('the event log was reopened') && fs.existsSync(log), 'the reopening');
    await tocsin(['send', 'container', 'c2', 'START', '--root', daemon.root]);
    await waitFor(() => fs.readFileSync(log, 'utf8').includes('Object: c2'), 'the second line');
    assert.equal(await daemon.stop(), 0);
  });
});
