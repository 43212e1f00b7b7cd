import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { COUNTER_TABLE, type CounterId, metricName } from '../../src/messages/counters.ts';
import { call, waitFor } from '../support/daemon.ts';
import { monitorRecord } from '../support/records.ts';
import { Fixture, type Threads } from './fixture.ts';

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/gy;

/** Prometheus' text format 0.0.4, read strictly: every sample belongs to the family that was announced before it. */
function readMetrics(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, word = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') {
      assert.ok(!families.has(name), `${name} comes twice`);
      families.set(name, { type: '', help: rest, samples: [] });
      current = name;
    } else if (word === 'TYPE') {
      assert.equal(name, current);
      families.set(name, { ...families.get(name)!, type: rest });
    } else {
      const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(`not a sample: ${line}`);
      const { type, samples } = families.get(current)!;
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      assert.ok(suffixes.includes(sample.slice(current.length)) && sample.startsWith(current), line);
      const pairs = [...labels.matchAll(LABEL)].map(([, key = '', quoted = '']) => [key, quoted] as const);
      const suffix = sample.slice(current.length);
      samples.push({ labels: { ...Object.fromEntries(pairs), ...(suffix ? { suffix } : {}) }, value: Number(value) });
    }
  }
  return families;
}

function valueOf(metrics: ReadonlyMap<string, Family>, name: string, labels: Sample['labels'] = {}): number {
  const { samples } = metrics.get(name) ?? assert.fail(`there is no ${name}`);
  const found = samples.filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}: ${JSON.stringify(samples)}`);
  return found[0]!.value;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function get(port: number, target: string, host?: string): Promise<{ status: number; body: string; type: string }> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { Host: host };
    http
      .get({ host: '127.0.0.1', port, path: target, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body, type: response.headers['content-type'] ?? '' }),
        );
      })
      .once('error', reject);
  });
}

for (const threads of ['workers', 'inline'] satisfies Threads[]) {
  describe(`metrics (${threads})`, () => {
    const fixture = new Fixture(threads);
    let port = 0;

    const metrics = async (): Promise<ReadonlyMap<string, Family>> => {
      const { status, body, type } = await get(port, '/metrics');
      assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8'], body);
      return readMetrics(body);
    };

    before(async () => {
      port = await freePort();
      await fixture.open({ metrics: `127.0.0.1:${port}`, history: path.join(fixture.root, 'history') });
    });
    after(() => fixture.close());

    it('have every counter, with its meaning and its value', async () => {
      fixture.write(Buffer.concat([monitorRecord({ name: 'c1', value: 11 }), Buffer.alloc(596, 1)]));
      await fixture.head(1);
      await fixture.counter('junkBytes', 596);
      const found = await metrics();
      const { counters } = fixture.pipeline.stats();
      for (const [id, { meaning }] of Object.entries(COUNTER_TABLE)) {
        const { type, help } = found.get(metricName(id as CounterId))!;
        assert.deepEqual([type, help], ['counter', meaning]);
        assert.equal(valueOf(found, metricName(id as CounterId)), counters[id as CounterId], id);
      }
    });

    it('tell events by source, type and action, and what was dropped by reason', async () => {
      fixture.write(Buffer.concat([1, 2, 3].map(() => monitorRecord({ name: 'c2', value: 1 }))));
      fixture.write(monitorRecord({ name: 'nginx', value: 2, eventType: 1 }));
      await fixture.head(5);
      await fixture.pipeline.publishDurable([
        { type: 'container', action: 'die', id: 'c3' },
        { type: 'network', action: 'connect', id: 'n1' },
        { type: 'network', action: 'connect', id: 'n2' },
      ]);
      const found = await metrics();
      const count = (source: string, type: string, action: string): number =>
        valueOf(found, 'tocsin_events_ingested_total', { source, type, action });
      assert.equal(count('fifo', 'container', 'die'), 3);
      assert.equal(count('fifo', 'image', 'pull'), 1);
      assert.equal(count('publish', 'container', 'die'), 1);
      assert.equal(count('publish', 'network', 'connect'), 2);
      const all = found.get('tocsin_events_ingested_total')!.samples.reduce((sum, { value }) => sum + value, 0);
      assert.equal(all, fixture.pipeline.stats().headSeq);
      for (const reason of ['unknown-container', 'source-line', 'client-gap', 'state-handler'])
        assert.equal(valueOf(found, 'tocsin_events_dropped_total', { reason }), 0);
    });

    it('tell whoever names many kinds of events only so many apart, and counts the rest', async () => {
      const before = fixture.pipeline.stats().headSeq;
      const kinds = Array.from({ length: 600 }, (_, n) => ({ type: 'made-up', action: `a${n}`, id: 'x' }));
      await fixture.pipeline.publishDurable(kinds);
      const { samples } = (await metrics()).get('tocsin_events_ingested_total')!;
      assert.ok(samples.length < 600, `${samples.length} kinds`);
      assert.equal(
        samples.reduce((sum, { value }) => sum + value, 0),
        before + 600,
      );
      assert.ok(samples.some(({ labels }) => labels['type'] === 'other'));
    });

    it('tell how far history reaches, and how long events take to clients', async () => {
      const subscriber = await fixture.pipeline.subscribe();
      await fixture.pipeline.publishDurable([{ type: 'container', action: 'start', id: 'c4' }]);
      await subscriber.next();
      const found = await metrics();
      const { headSeq, oldestSeq } = fixture.pipeline.stats();
      assert.equal(valueOf(found, 'tocsin_history_first_seq'), oldestSeq);
      assert.equal(valueOf(found, 'tocsin_history_last_seq'), headSeq);
      assert.ok(valueOf(found, 'tocsin_history_bytes') > headSeq * 64);
      const age = valueOf(found, 'tocsin_history_oldest_seconds');
      assert.ok(age >= 0 && age < 600, `${age}`);
      assert.equal(valueOf(found, 'tocsin_history_writable'), 1);
      const latency = 'tocsin_ingest_to_deliver_seconds';
      const batches = valueOf(found, latency, { suffix: '_count' });
      assert.ok(batches >= 1);
      assert.equal(valueOf(found, latency, { suffix: '_bucket', le: '+Inf' }), batches);
      const sum = valueOf(found, latency, { suffix: '_sum' });
      assert.ok(sum > 0 && sum < 600, `${sum}`);
      const buckets = found.get(latency)!.samples.filter(({ labels }) => labels['le'] !== undefined);
      for (const [index, { value }] of buckets.entries()) assert.ok(value >= (buckets[index - 1]?.value ?? 0));
      assert.equal(valueOf(found, 'tocsin_clients', { door: 'subscribe', state: 'live' }), 1);
      assert.equal(valueOf(found, 'tocsin_client_lag_events', { door: 'subscribe' }), 0);
      subscriber.cancel();
      await waitFor(
        async () => ((await metrics()).get('tocsin_clients')?.samples.length ?? 0) === 0,
        'the client to go',
      );
    });

    it('are those of the admin socket, beside health', async () => {
      const { status, body } = await call(fixture.admin, '/metrics');
      assert.equal(status, 200);
      assert.equal(valueOf(readMetrics(body), 'tocsin_build_info', { node: process.versions.node }), 1);
      for (const target of ['/healthz', '/readyz', '/_ping'])
        assert.deepEqual({ ...(await get(port, target)), type: '' }, { status: 200, body: 'OK', type: '' });
    });

    it('are all that there is on that port, and not for pages of other names', async () => {
      for (const target of ['/v1/stats', '/v1/clients', '/v1/events', '/'])
        assert.equal((await get(port, target)).status, 404, target);
      assert.equal((await get(port, '/metrics', 'rebound.example')).status, 404);
      assert.equal((await get(port, '//127.0.0.1/metrics', 'rebound.example:80')).status, 404);
      for (const host of ['localhost', '[::1]:9464', '127.0.0.9:1'])
        assert.equal((await get(port, '/metrics', host)).status, 200, host);
    });

    it('are on no address that others reach, and on none that is taken', async () => {
      for (const metricsAddress of [
        '0.0.0.0:9464',
        '10.0.0.1:9464',
        'example.org:80',
        '9464',
        '127.0.0.1:70000',
        // A name, for which others can answer.
        '127.0.0.300:9464',
        '::1:9464',
      ])
        await assert.rejects(new Fixture(threads).open({ metrics: metricsAddress }), { code: 'ERR_OPTION_INVALID' });
      const other = new Fixture(threads);
      await assert.rejects(other.open({ metrics: `127.0.0.1:${port}` }), { code: 'ERR_SOCKET_UNUSABLE' });
      await other.close();
    });
  });
}
