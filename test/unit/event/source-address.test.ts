import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeOptions, parseOptionText } from '../../../src/event/options.ts';
import { parseSource } from '../../../src/event/source-address.ts';

describe('the address of a source', () => {
  it('has a name in front of a socket, or of a host and what its connection is secured with', () => {
    assert.deepEqual(parseSource('docker=unix:///var/run/docker.sock'), {
      name: 'docker',
      socketPath: '/var/run/docker.sock',
    });
    assert.deepEqual(parseSource('a=tcp://localhost:1'), { name: 'a', host: 'localhost', port: 1 });
    assert.deepEqual(parseSource('a=tcp://[::1]'), { name: 'a', host: '::1', port: 2375 });
    assert.deepEqual(parseSource('a=https://far.example/'), { name: 'a', host: 'far.example', port: 2376, tls: {} });
    assert.deepEqual(parseSource('a=https://192.0.2.7:443?ca=/a%20b.pem&cert=/c.pem&key=/k.pem'), {
      name: 'a',
      host: '192.0.2.7',
      port: 443,
      tls: { ca: '/a b.pem', cert: '/c.pem', key: '/k.pem' },
    });
    assert.deepEqual(parseOptionText('source', 'a=unix:///b'), ['a=unix:///b']);
    assert.deepEqual(makeOptions({}).source, []);
  });

  it('is refused when it is something else, or its name is taken', () => {
    for (const source of [
      ['/var/run/docker.sock'],
      ['docker=/var/run/docker.sock'],
      ['docker=http://127.0.0.1:2375'],
      ['docker=tcp://127.0.0.1:0'],
      ['docker=tcp://127.0.0.1:65536'],
      ['docker=tcp://127.0.0.1:2375?ca=/x'],
      ['docker=https://user@far.example'],
      ['docker=https://far.example/path'],
      ['docker=https://far.example?ca=ca.pem'],
      ['docker=https://far.example?ca=/a&ca=/b'],
      ['docker=https://far.example?verify=no'],
      ['docker=https://far.example?cert=/c.pem'],
      ['docker=https://far.example?key=/k.pem'],
      ['=unix:///x'],
      ['a b=unix:///x'],
      ['docker=unix://x'],
      ['fifo=unix:///x'],
      ['docker=unix:///x', 'docker=unix:///y'],
      'docker=unix:///x',
    ])
      assert.throws(
        () => makeOptions({ source }),
        { code: 'ERR_OPTION_INVALID', message: /^source: / },
        String(source),
      );
  });

  it('is refused without TLS unless it is this machine\u2019s own, and says so', () => {
    for (const host of [
      '192.0.2.7',
      'far.example',
      '[2001:db8::1]',
      '128.0.0.1',
      'localhost.far.example',
      '127.0.0.256',
      '127.0.0.08',
    ])
      assert.throws(() => makeOptions({ source: [`docker=tcp://${host}:2375`] }), {
        code: 'ERR_OPTION_INVALID',
        message: /tcp:\/\/ is without TLS and for this machine alone; use https:\/\//,
      });
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]'])
      assert.equal(makeOptions({ source: [`docker=tcp://${host}:2375`] }).source.length, 1);
  });
});
