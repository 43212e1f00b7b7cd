import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { remotePeerOf } from '../../../src/doors/remote-peer.ts';
import { TlsHandshakes } from '../../../src/doors/tls-handshakes.ts';
import { counterBytes, Counters, readCounters } from '../../../src/messages/counters.ts';
import { waitFor } from '../../support/daemon.ts';
import { shows, vector } from '../../support/remote.ts';

describe('TLS handshakes', () => {
  const shared = new SharedArrayBuffer(counterBytes(1));
  const failed = (): number => readCounters(shared).handshakesFailed;
  const secured: tls.TLSSocket[] = [];
  const files = { cert: vector('engine'), key: vector('engine-key'), ca: vector('ca') };
  const handshakes = new TlsHandshakes(files, new Counters(shared, 0), (socket) => secured.push(socket));
  const accepted: net.Socket[] = [];
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
    handshakes.accept(socket);
  });
  const secure = (): tls.TLSSocket => tls.connect({ ...shows('client'), host: '127.0.0.1', port: port() });
  const port = (): number => (server.address() as net.AddressInfo).port;

  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve)));
  after(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });

  it('are 512 at a time; who comes then is turned away and counted, and there is room once they are over', async () => {
    const clients = Array.from({ length: 520 }, () => net.connect(port(), '127.0.0.1').on('error', () => {}));
    await waitFor(() => accepted.length === 520, 'the connections');
    await waitFor(() => accepted.filter(({ destroyed }) => destroyed).length === 8, 'those that are too many');
    assert.equal(failed(), 8);
    for (const client of clients) client.destroy();
    await waitFor(() => failed() === 520, 'the others to end');
    const client = secure();
    await waitFor(() => secured.length === 1, 'a handshake');
    client.destroy();
    assert.equal(failed(), 520);
  });

  it('tell who it is until the connection ends, and nobody from then on', async () => {
    const client = secure().on('error', () => {});
    await waitFor(() => secured.length === 2, 'a handshake');
    const socket = secured[1]!.on('error', () => {});
    assert.deepEqual(remotePeerOf(socket), {
      address: `127.0.0.1:${client.localPort}`,
      commonName: 'client',
      names: ['cn:client'],
    });
    socket.destroy();
    assert.equal(remotePeerOf(socket), undefined);
    client.destroy();
  });

  it('that are not over end with their listener', async () => {
    const ended = net.connect(port(), '127.0.0.1').on('error', () => {});
    const stays = secure();
    await waitFor(() => accepted.length >= 524 && secured.length === 3, 'both');
    handshakes.close();
    await waitFor(() => ended.destroyed || ended.readableEnded || accepted.at(-2)!.destroyed, 'the end');
    assert.equal(secured[2]!.destroyed, false);
    stays.destroy();
  });
});
