import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildPrograms } from '../../src/cli/bench/programs.ts';
import { temporaryFolder, tocsin } from '../support/daemon.ts';

describe('tocsin bench', () => {
  for (const door of ['native', 'docker', 'docker-legacy', 'grpc', 'embedded'])
    it(`measures the ${door} door, and has a figure because every client got everything`, async () => {
      const args = ['bench', '--clients', '3', '--events', '60000', '--door', door, '--format', 'json'];
      const { code, stdout, stderr } = await tocsin(args);
      assert.equal(code, 0, stderr);
      const { clients, deliveriesPerSecond, cpuSeconds, p50us, payloadBytes } = JSON.parse(stdout);
      assert.equal(clients, 3);
      assert.ok(deliveriesPerSecond > 0 && cpuSeconds > 0 && p50us > 0, stdout);
      if (door !== 'embedded') assert.ok(payloadBytes > 290 && payloadBytes < 305, `${payloadBytes} bytes an event`);
    });

  it('takes slow and stalled clients besides, a rate and the HTTP intake, and says it all in words', async () => {
    const args = ['--clients', '2', '--events', '500', '--rate', '1000', '--slow', '1', '--stalled', '1'];
    const { code, stdout, stderr } = await tocsin(['bench', ...args, '--intake', 'http']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^door native, 2 clients and 1 slow, 1 stalled, 1,000 events\/s/);
    assert.match(stdout, /every one of 2 clients got all [\d,]+ events, once and in order/);
  });

  it('says that there is no compiler, and shows no figure', async () => {
    const empty = temporaryFolder();
    const { code, stdout, stderr } = await tocsin(['bench', '--events', '100'], { PATH: empty, TMPDIR: empty });
    fs.rmSync(empty, { recursive: true });
    assert.equal(stdout, '');
    assert.notEqual(code, 0);
    assert.match(stderr, /ERR_COMPILER_MISSING/);
  });
});

describe('the client of the benchmark', () => {
  let folder: string;
  let socketPath: string;
  let server: http.Server;
  let numbers: readonly number[] = [];

  before(async () => {
    folder = temporaryFolder();
    socketPath = path.join(folder, 'socket');
    server = http.createServer((_, response) => {
      for (const number of numbers) {
        const seq = String(number).padStart(10, '0');
        response.write(`{"seq":${number},"type":"container","attributes":{"name":"web","seq":"${seq}"}}\n`);
      }
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    fs.rmSync(folder, { recursive: true });
  });

  async function drain(
    sent: readonly number[],
    last: number,
  ): Promise<{ readonly code: number; readonly bad: number }> {
    numbers = sent;
    const { drain: program } = buildPrograms();
    const child = spawn(program, [socketPath, '2', String(last), '--door', 'native', '--timeout', '10']);
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    const [code] = (await once(child, 'close')) as [number];
    const [line = ''] = output.trim().split('\n').slice(-1);
    return { code, bad: JSON.parse(line).bad };
  }

  const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

  it('is content with every event once and in order', async () => {
    assert.deepEqual(await drain(upTo(1200), 1200), { code: 0, bad: 0 });
  });

  it('notices one that is missing, repeated, or in another place', async () => {
    const swapped = upTo(1200);
    [swapped[600], swapped[601]] = [602, 601];
    for (const sent of [
      upTo(1200).filter((number) => number !== 700),
      upTo(1200).flatMap((number) => (number === 99 ? [99, 99] : [number])),
      swapped,
    ]) {
      const { code, bad } = await drain(sent, 1200);
      assert.equal(code, 1);
      assert.ok(bad > 0);
    }
  });

  it('notices that the stream ended too early', async () => {
    assert.equal((await drain(upTo(500), 1200)).code, 1);
  });
});
