import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { describe, it } from 'node:test';
import type { EngineStream } from '../../../src/actors/engine-source.ts';
import { openEngine } from '../../../src/doors/engine.ts';
import type { TlsFiles } from '../../../src/event/tls-files.ts';
import type { EngineInput } from '../../../src/messages/engine-source.ts';
import { projectRoot } from '../../architecture/source.ts';
import { temporaryFolder, waitFor } from '../../support/daemon.ts';

const SINCE = { sec: 7, nanos: 5 };

/** What is heard of a server that says this to whoever asks, until the stream has ended. */
async function heard(
  answer: (socket: net.Socket) => void,
  use: (inputs: readonly EngineInput[], requests: () => string, stream: EngineStream) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  const socketPath = path.join(folder, 's');
  let requests = '';
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => (requests += bytes.toString('latin1')));
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const inputs: EngineInput[] = [];
  const stream = openEngine({ socketPath }).listen(SINCE, (input) => inputs.push(input));
  try {
    await use(inputs, () => requests, stream);
  } finally {
    stream.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const ended = (inputs: readonly EngineInput[]): string => {
  const last = inputs.at(-1);
  return last?.type === 'stream-ended' ? last.why : '';
};
const endedAfter = (text: string): ((inputs: readonly EngineInput[]) => Promise<void>) => {
  return async (inputs) => {
    await waitFor(() => ended(inputs) !== '', 'the end');
    assert.ok(ended(inputs).includes(text), ended(inputs));
    assert.equal(inputs.filter(({ type }) => type === 'stream-ended').length, 1);
  };
};

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('the connection to an engine', () => {
  it('asks without a version, to the nanosecond, and hands on what comes', () =>
    heard(
      (socket) => socket.write(`${HEAD}3\r\nab\n\r\n4\r\ncde\n\r\n`),
      async (inputs, requests) => {
        const text = (): string =>
          inputs.map((input) => (input.type === 'bytes-arrived' ? Buffer.from(input.bytes).toString() : '')).join('');
        await waitFor(() => text() === 'ab\ncde\n', 'the bytes');
        assert.equal(inputs[0]?.type, 'stream-opened');
        assert.match(requests(), /^GET \/events\?since=7\.000000005 HTTP\/1\.1\r\n/);
      },
    ));

  it('tells once that the stream has ended, in order or not', async () => {
    await heard((socket) => socket.end(`${HEAD}3\r\nab\n\r\n0\r\n\r\n`), endedAfter('ended the stream of events'));
    await heard((socket) => socket.end(`${HEAD}3\r\nab\n\r\n`), endedAfter(''));
    await heard((socket) => socket.destroy(), endedAfter('socket hang up'));
    await heard((socket) => socket.end('garbage\r\n\r\n'), endedAfter('Parse Error'));
  });

  it('says what an engine answers that refuses', async () => {
    const refusal = (status: string, body: string) => (socket: net.Socket) =>
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await heard(refusal('400 Bad', '{"message":"invalid filter"}'), endedAfter('answered 400: invalid filter'));
    await heard(refusal('500 No', 'oops'), endedAfter('answered 500: "oops"'));
    await heard(refusal('404 No', 'x'.repeat(100_000)), endedAfter('answered 404: "xxx'));
  });

  it('tells that nobody is there', async () => {
    const inputs: EngineInput[] = [];
    openEngine({ socketPath: '/nonexistent/docker.sock' }).listen(SINCE, (input) => inputs.push(input));
    await endedAfter('ENOENT')(inputs);
  });

  it('tells that nobody listens at any address of a name', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    const inputs: EngineInput[] = [];
    openEngine({ host: 'localhost', port }).listen(SINCE, (input) => inputs.push(input));
    await endedAfter('ECONNREFUSED')(inputs);
    assert.match(ended(inputs), /^tcp:\/\/localhost:\d+: /);
  });

  it('gives up an engine that does not answer within 10 s', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    let isAsked = false;
    await heard(
      () => (isAsked = true),
      async (inputs) => {
        for (let turn = 0; turn < 10_000 && !isAsked; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        test.mock.timers.tick(9_999);
        assert.deepEqual(inputs, []);
        test.mock.timers.tick(1);
        assert.match(ended(inputs), /no answer within 10000 ms/);
      },
    );
  });

  it('answers what is asked beside the stream, each on a connection of its own', () =>
    heard(
      (socket) => {
        const body = '[{"Id":"c1","Names":["/db/alias","/web"],"Image":"bb:1","Labels":{"a":"b"},"State":"paused"}]';
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      },
      async (_, requests, stream) => {
        assert.deepEqual(await stream.containers(), [
          { id: 'c1', name: 'web', image: 'bb:1', labels: { a: 'b' }, isRunning: true, isPaused: true },
        ]);
        await stream.ping();
        assert.match(requests(), /GET \/containers\/json\?all=1 HTTP[^]*GET \/_ping HTTP/);
      },
    ));

  it('says why there is no list of containers, and takes any answer to a ping for one', () =>
    heard(
      (socket) => socket.end('HTTP/1.1 403 No\r\nContent-Length: 16\r\n\r\n{"message":"no"}'),
      async (_, __, stream) => {
        await assert.rejects(stream.containers(), { code: 'ERR_SOURCE_UNREACHABLE', message: /s answered 403: no$/ });
        await stream.ping();
      },
    ));

  it('refuses a list that is none', () =>
    heard(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
      async (_, __, stream) => {
        await assert.rejects(stream.containers(), {
          code: 'ERR_SOURCE_UNREACHABLE',
          message: /s: answered with something that is no list of containers$/,
        });
      },
    ));

  it('gives up a ping that is not answered within 10 s, and what is asked when it is closed', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    await heard(
      () => {},
      async (_, __, stream) => {
        const ping = assert.rejects(stream.ping(), {
          code: 'ERR_SOURCE_UNREACHABLE',
          message: /s did not answer \/_ping within 10000 ms$/,
        });
        test.mock.timers.tick(10_000);
        await ping;
        const list = assert.rejects(stream.containers(), { code: 'ERR_SOURCE_UNREACHABLE' });
        stream.close();
        await list;
      },
    );
  });

  it('tells nothing more once it is closed', () =>
    heard(
      (socket) => socket.write(HEAD),
      async (inputs) => {
        await waitFor(() => inputs.length === 1, 'the head');
      },
    ));
});

const TLS = path.join(projectRoot(), 'test/vectors/tls');
const pem = (name: string): string => path.join(TLS, `${name}.pem`);
const FILES = { ca: pem('ca'), cert: pem('client'), key: pem('client-key') };

/** An engine behind TLS that wants a certificate from who asks; how a stream from it begins. */
async function secured(
  engine: { readonly cert: string; readonly options?: tls.TlsOptions },
  ask: { readonly host?: string; readonly files?: TlsFiles },
  use: (inputs: readonly EngineInput[], stream: EngineStream) => Promise<void>,
): Promise<void> {
  const server = tls.createServer(
    {
      ca: fs.readFileSync(FILES.ca),
      cert: fs.readFileSync(pem(engine.cert)),
      key: fs.readFileSync(pem(`${engine.cert}-key`)),
      requestCert: true,
      ...engine.options,
    },
    (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(`${HEAD}3\r\nab\n\r\n`));
    },
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const inputs: EngineInput[] = [];
  const { host = '127.0.0.1', files = FILES } = ask;
  const stream = openEngine({ host, port, tls: files }).listen(SINCE, (input) => inputs.push(input));
  try {
    await use(inputs, stream);
  } finally {
    stream.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

describe('the connection to an engine over TLS', () => {
  const isHeard = async (inputs: readonly EngineInput[]): Promise<void> => {
    await waitFor(() => inputs.length === 2, 'the stream');
    assert.deepEqual(
      inputs.map(({ type }) => type),
      ['stream-opened', 'bytes-arrived'],
    );
  };

  it('is made with certificates on both sides, by address and by name', async () => {
    await secured({ cert: 'engine' }, {}, isHeard);
    await secured({ cert: 'engine' }, { host: 'localhost' }, isHeard);
  });

  it('is refused for an engine that nobody vouches for, or that is another one, whatever the environment says', async (test) => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    test.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    await secured({ cert: 'engine' }, { files: { ...FILES, ca: pem('other-ca') } }, endedAfter('certificate'));
    await secured({ cert: 'engine' }, { files: {} }, endedAfter('certificate'));
    await secured({ cert: 'elsewhere' }, {}, endedAfter("IP: 127.0.0.1 is not in the cert's list"));
    await secured({ cert: 'elsewhere' }, { host: 'localhost' }, endedAfter("Host: localhost. is not in the cert's"));
  });

  it('is not made without a certificate that the engine takes, nor below TLS 1.2', async () => {
    await secured({ cert: 'engine' }, { files: { ca: FILES.ca } }, endedAfter('certificate required'));
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await secured({ cert: 'engine', options: old }, {}, endedAfter('alert protocol version'));
  });

  it('reads its files each time, and says which of them is of no use', async () => {
    const folder = temporaryFolder();
    const cert = path.join(folder, 'cert.pem');
    const key = path.join(folder, 'key.pem');
    fs.copyFileSync(FILES.cert, cert);
    fs.copyFileSync(FILES.key, key);
    const server = net.createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const address = { host: '127.0.0.1', port, tls: { ca: FILES.ca, cert, key } };
    try {
      const engine = openEngine(address);
      const why = async (): Promise<string> => {
        const inputs: EngineInput[] = [];
        const stream = engine.listen(SINCE, (input) => inputs.push(input));
        assert.deepEqual(inputs, []);
        await waitFor(() => ended(inputs) !== '', 'the end');
        stream.close();
        return ended(inputs);
      };
      fs.copyFileSync(pem('engine-key'), key);
      assert.match(await why(), /key\.pem: .*key values mismatch/);
      fs.writeFileSync(cert, 'no certificate');
      assert.match(await why(), /cert\.pem \(cert\) is no PEM file$/);
      fs.rmSync(cert);
      assert.match(await why(), /ENOENT: no such file or directory, open '.*cert\.pem'$/);
      assert.throws(() => openEngine(address), { code: 'ERR_SOURCE_TLS', message: /cert\.pem/ });
      fs.copyFileSync(FILES.cert, cert);
      fs.copyFileSync(FILES.key, key);
      assert.match(await why(), /^https:\/\/127\.0\.0\.1:\d+: /);
    } finally {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
