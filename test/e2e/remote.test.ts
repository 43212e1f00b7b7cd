import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { call, type Daemon, startDaemon, statsOf, temporaryFolder, tocsin, waitFor } from '../support/daemon.ts';
import { Authority, type Subject } from '../support/certificates.ts';
import { callOver, freePort, shows } from '../support/remote.ts';
import { dockerClis } from './support/docker-clients.ts';

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], input = ''): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** What a socket asks of who connects. */
const LISTENERS = ['any', 'cn', 'dns', 'uri', 'nobody', 'open'] as const;
type Listener = (typeof LISTENERS)[number];
const ALLOW: Readonly<Partial<Record<Listener, string>>> = {
  cn: 'cn:web',
  dns: 'san:dns:WEB.example',
  uri: 'san:uri:spiffe://example/web,san:email:web@example',
  nobody: 'none',
};
/** Of each certificate, where it may read; where it can connect at all and may not, it is told so. */
const MAY_READ: Readonly<Record<string, readonly Listener[]>> = {
  web: ['any', 'cn', 'dns', 'uri'],
  ops: ['any'],
  mail: ['any', 'uri'],
  // Whose names look like those of others.
  trick: ['any'],
  longer: ['any'],
};
/** Certificates that nobody should believe. */
const REFUSED = ['forged', 'alone', 'expired', 'server', 'none'] as const;
const READS = [
  '/v1/events?since=0&follow=false',
  '/events?until=0s',
  '/v1.41/events?until=0s',
  '/containers/json',
  '/info',
];

describe('sockets over TCP', () => {
  const root = temporaryFolder();
  const ports = {} as Record<Listener, number>;
  const files: Record<string, string> = {};
  let daemon: Daemon;
  let ca = '';
  const context = (name: string): tls.SecureContextOptions => shows(name === 'none' ? undefined : files[name], ca);
  const curl = (name: string, port: number, ...args: string[]): Promise<Output> => {
    const own = name === 'none' ? [] : ['--cert', `${files[name]}.pem`, '--key', `${files[name]}-key.pem`];
    return run('curl', ['-sS', '-m', '10', '--cacert', ca, ...own, ...args, `https://127.0.0.1:${port}${READS[0]}`]);
  };

  before(async () => {
    const known = new Authority(root, 'known-ca');
    const other = new Authority(root, 'other-ca');
    ca = known.ca;
    const sign = (name: string, authority: Authority, subject: Subject): void => {
      files[name] = authority.sign(name, subject);
    };
    const web = { cn: 'web', names: ['DNS.1 = web.example', 'DNS.2 = other.example', 'URI.1 = spiffe://example/web'] };
    sign('web', known, web);
    sign('ops', known, { cn: 'ops', names: ['DNS.1 = ops.example', 'URI.1 = spiffe://example/ops'] });
    sign('mail', known, { cn: 'mail', names: ['email.1 = web@example'] });
    sign('trick', known, {
      cn: 'cn:web',
      names: ['URI.1 = spiffe://x/, DNS:web.example', 'DNS.1 = cn:web', 'email.1 = spiffe://example/web'],
    });
    sign('longer', known, {
      cn: 'web2',
      names: ['DNS.1 = web.example.org', 'DNS.2 = *.example', 'URI.1 = spiffe://example/web/x'],
    });
    sign('forged', other, web);
    files['alone'] = new Authority(root, 'alone', 'web').ca.replace(/\.pem$/, '');
    sign('expired', known, { ...web, isExpired: true });
    sign('server', known, { cn: 'web', names: ['IP.1 = 127.0.0.1', 'DNS.1 = web.example'], purpose: 'serverAuth' });
    sign('next', known, { cn: 'next', names: ['IP.1 = 127.0.0.1'], purpose: 'serverAuth' });
    for (const file of ['cert', 'key'])
      fs.copyFileSync(`${files['server']}${file === 'key' ? '-key' : ''}.pem`, path.join(root, `used-${file}.pem`));
    for (const name of LISTENERS) ports[name] = await freePort();
    const listen = LISTENERS.flatMap((name) => {
      const allow = ALLOW[name] ? `&allow=${ALLOW[name]}` : '';
      const asks = name === 'open' ? '' : `&ca=${ca}${allow}`;
      const place = `tcp://127.0.0.1:${ports[name]}`;
      return ['--listen', `${place}?cert=${root}/used-cert.pem&key=${root}/used-key.pem${asks}`];
    });
    daemon = await startDaemon(['--fanouts', '2', ...listen], root);
    assert.equal((await tocsin(['send', 'container', 'c1', 'START', '--root', root])).code, 0);
  });
  after(async () => {
    assert.equal(await daemon?.stop(), 0);
    fs.rmSync(root, { recursive: true, force: true });
  });

  it('admit whom their rules name by a certificate, and tell everybody else with one that they do not', async () => {
    for (const [name, admitted] of Object.entries(MAY_READ))
      for (const listener of LISTENERS.slice(0, -1))
        for (const target of READS) {
          const { status, body } = await callOver(ports[listener], target, context(name));
          const says = `${name} ${target} on ${listener}: ${status} ${body.slice(0, 200)}`;
          if (admitted.includes(listener)) assert.equal(status, 200, says);
          else {
            assert.equal(status, 403, says);
            assert.match(body, /not allowed to 127\.0\.0\.1:\d+ CN /, says);
          }
        }
  });

  it('do not shake hands with a certificate of another authority, of none, for another purpose, that has expired, or without one', async () => {
    for (const name of REFUSED)
      for (const listener of LISTENERS.slice(0, -1)) {
        const failed = async (): Promise<number> => (await statsOf(daemon)).counters['handshakesFailed']!;
        const before = await failed();
        for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
          await assert.rejects(
            callOver(ports[listener], READS[0]!, { ...context(name), minVersion: version, maxVersion: version }),
            /alert|reset|hang up|disconnected|EPIPE|EPROTO/,
            `${name} on ${listener}`,
          );
        await waitFor(async () => (await failed()) === before + 2, 'both to be counted');
        const { code, stdout } = await curl(name, ports[listener]);
        assert.deepEqual([code === 0, stdout], [false, '']);
        await waitFor(async () => (await failed()) === before + 3, 'the third to be counted');
      }
  });

  it('do not believe a session that began without the right certificate', async () => {
    // What a client is given in the handshake, before it is refused, and comes back with.
    const connect = (
      certificate: tls.SecureContextOptions,
      session?: Buffer,
    ): Promise<{ sessions: Buffer[]; got: string }> =>
      new Promise((resolve) => {
        const sessions: Buffer[] = [];
        let got = '';
        const socket = tls.connect(
          { ...certificate, host: '127.0.0.1', port: ports.any, ...(session ? { session } : {}) },
          () => socket.write(`GET ${READS[0]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
        );
        socket.on('session', (bytes: Buffer) => sessions.push(bytes)).on('data', (bytes) => (got += bytes.toString()));
        socket.once('error', () => {}).once('close', () => resolve({ sessions, got }));
      });
    const good = await connect(context('web'));
    assert.match(good.got, /"id":"c1"/);
    for (const name of REFUSED) {
      const { sessions } = await connect(context(name));
      for (const session of [undefined, ...sessions])
        assert.equal((await connect(context(name), session)).got, '', name);
    }
  });

  it('speak TLS 1.2 and 1.3 and nothing older', async () => {
    const hello = (...args: string[]): Promise<Output> =>
      run(
        'openssl',
        ['s_client', '-connect', `127.0.0.1:${ports.open}`, '-CAfile', ca, '-verify_return_error', ...args],
        'Q\n',
      );
    for (const version of ['1_2', '1_3']) {
      const { code, stdout } = await hello(`-tls${version}`);
      assert.equal(code, 0, stdout);
      assert.match(stdout, new RegExp(`TLSv${version.replace('_', '.')}, Cipher is (?!\\(NONE)`));
    }
    for (const version of ['1', '1_1']) {
      // Which a client of our time has to be talked into.
      const { code, stderr } = await hello(`-tls${version}`, '-cipher', 'ALL:@SECLEVEL=0');
      assert.notEqual(code, 0);
      assert.match(stderr, /alert protocol version/);
    }
    const renegotiated = await run(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${ports.open}`, '-CAfile', ca, '-tls1_2'],
      'R\n',
    );
    assert.match(renegotiated.stderr + renegotiated.stdout, /:no renegotiation:/);
  });

  it('are read by curl, which speaks HTTP/1.1 with them', async () => {
    for (const version of ['--http1.1', '--http2']) {
      const { stdout, stderr } = await curl('web', ports.cn, version, '-w', '%{http_version} %{http_code}');
      assert.match(stdout, /"id":"c1".*\n1\.1 200$/s, stderr);
    }
    const open = await curl('none', ports.open, '-w', '%{http_code}');
    assert.match(open.stdout, /"id":"c1".*\n200$/s);
  });

  it('are read by the docker command line with its certificates, and not with others', async () => {
    for (const { program } of dockerClis()) {
      const events = (name: string, port: number): Promise<Output> =>
        run(program, [
          '-H',
          `tcp://127.0.0.1:${port}`,
          '--tlsverify',
          `--tlscacert=${ca}`,
          ...(name === 'none' ? [] : [`--tlscert=${files[name]}.pem`, `--tlskey=${files[name]}-key.pem`]),
          'events',
          '--since=1h',
          '--until=0s',
        ]);
      const read = await events('web', ports.cn);
      assert.equal(read.code, 0, read.stderr);
      assert.match(read.stdout, / container start c1\b/);
      assert.match((await events('ops', ports.cn)).stderr, /not allowed to 127\.0\.0\.1:\d+ CN ops/);
      for (const name of REFUSED.slice(0, -1)) {
        const { code, stdout } = await events(name, ports.cn);
        assert.deepEqual([code === 0, stdout], [false, ''], name);
      }
    }
  });

  it('are read by `tocsin events` with the flags of docker’s, which believes no daemon but the right one', async () => {
    const events = (name: string, port: number, authority = ca): ReturnType<typeof tocsin> =>
      tocsin([
        'events',
        '-S',
        '0',
        '--no-follow',
        '-H',
        `tcp://127.0.0.1:${port}`,
        '--tlsverify',
        '--tlscacert',
        authority,
        ...(name === 'none' ? [] : ['--tlscert', `${files[name]}.pem`, '--tlskey', `${files[name]}-key.pem`]),
      ]);
    const read = await events('web', ports.cn);
    assert.equal(read.code, 0, read.stderr);
    assert.match(read.stdout, / container start c1\n$/);
    assert.deepEqual([(await events('ops', ports.cn)).code, (await events('none', ports.cn)).code], [1, 69]);
    const strange = await events('web', ports.cn, path.join(root, 'other-ca.pem'));
    assert.equal(strange.code, 69);
    assert.match(strange.stderr, /ERR_DAEMON_UNAVAILABLE/);
    assert.equal((await tocsin(['events', '-H', '/x.sock', '--tls'])).code, 64);
    assert.equal((await tocsin(['events', '-H', 'tcp://127.0.0.1:1', '--tlscert', `${files['web']}.pem`])).code, 64);
    assert.equal((await tocsin(['events', '-H', 'tcp://127.0.0.1:1', '--tlscacert', `${root}/none`])).code, 1);
  });

  it('can only be read over: nobody publishes or changes anything there', async () => {
    for (const [method, target] of [
      ['POST', '/v1/events'],
      ['PUT', '/v1/containers/c9'],
      ['POST', '/v1/history'],
      ['GET', '/v1/stats'],
      ['GET', '/v1/clients'],
      ['GET', '/metrics'],
    ] as const) {
      const url = `https://127.0.0.1:${ports.any}${target}`;
      const own = ['--cacert', ca, '--cert', `${files['web']}.pem`, '--key', `${files['web']}-key.pem`];
      const asked = ['-X', method, '-o', '/dev/null', '-w', '%{http_code}', url];
      const { stdout } = await run('curl', ['-sS', '-m', '10', ...own, ...asked]);
      assert.ok(['404', '405'].includes(stdout), `${method} ${target}: ${stdout}`);
    }
  });

  it('take other certificates on SIGHUP for whoever comes then, and keep the old ones when the new are of no use', async () => {
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ ...context('none'), host: '127.0.0.1', port: ports.open }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.once('error', reject);
      });
    const hup = async (says: RegExp): Promise<void> => {
      const begun = daemon.log().length;
      process.kill(daemon.pid, 'SIGHUP');
      await waitFor(() => says.test(daemon.log().slice(begun)), String(says));
    };
    const following = spawn('curl', ['-sSN', '--cacert', ca, `https://127.0.0.1:${ports.open}/v1/events?heartbeat=1`]);
    let text = '';
    following.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    try {
      await waitFor(() => text.includes('heartbeat'), 'a client');
      assert.equal(await shown(), 'web');
      fs.writeFileSync(path.join(root, 'used-key.pem'), 'no key');
      await hup(/used-key\.pem \(key\) is no PEM file \(ERR_LISTENER_TLS\)/);
      assert.equal(await shown(), 'web');
      fs.copyFileSync(`${files['next']}.pem`, path.join(root, 'used-cert.pem'));
      fs.copyFileSync(`${files['next']}-key.pem`, path.join(root, 'used-key.pem'));
      await hup(/SIGHUP: certificates were read again/);
      // Of each shard.
      for (let tries = 0; tries < 20; tries += 1) assert.equal(await shown(), 'next');
      text = '';
      await waitFor(() => text.includes('heartbeat'), 'the client to be there still');
    } finally {
      following.kill();
    }
  });

  it('keep the daemon from starting where they would be open to everybody, or their files are of no use', async () => {
    const [cert, key] = [`cert=${files['web']}.pem`, `key=${files['web']}-key.pem`];
    for (const [address, code, says] of [
      ['tcp://0.0.0.0:2375', 64, /expected cert and key.*ERR_OPTION_INVALID/],
      ['tcp://0.0.0.0:2375?tls=off', 64, /this machine alone.*ERR_OPTION_INVALID/],
      ['tcp://127.0.0.1:2375', 64, /tls=off.*ERR_OPTION_INVALID/],
      [`tcp://127.0.0.1:2375?${cert}&${key}&allow=cn:web`, 64, /ca where allow names certificates/],
      [`tcp://127.0.0.1:${await freePort()}?${cert}&key=${files['ops']}-key.pem`, 1, /mismatch.*ERR_LISTENER_TLS/],
      [`tcp://127.0.0.1:${ports.any}?${cert}&${key}`, 1, /EADDRINUSE.*ERR_SOCKET_UNUSABLE/],
    ] as const) {
      const folder = temporaryFolder();
      const { code: ended, stderr } = await tocsin(['serve', '--root', folder, '--listen', address]);
      assert.equal(ended, code, stderr);
      assert.match(stderr, says);
      fs.rmSync(folder, { recursive: true });
    }
    assert.equal((await call(daemon.admin, '/healthz')).status, 200);
  });
});
