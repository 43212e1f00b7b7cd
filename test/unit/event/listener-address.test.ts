import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listenerPlace, parseListener, parseListeners, type TcpListener } from '../../../src/event/listener-address.ts';
import { makeOptions, parseOptionText } from '../../../src/event/options.ts';

const TLS = 'tcp://far.example:2376?cert=/c.pem&key=/k.pem';

const terms = (text: string): readonly string[] =>
  parseListener(text).limit.map(({ key, op, value }) => `${key}${op}${value}`);

describe('the address of a listener', () => {
  it('is a path, for a group and without a limit', () => {
    for (const text of ['/run/x.sock', 'run/x.sock', '/run/50%.sock'])
      assert.deepEqual(parseListener(text), { path: text, limit: [], mode: 0o660 });
    for (const text of ['unix:///run/x.sock', 'unix:///run/x.sock?', 'unix:///run/%78.sock'])
      assert.deepEqual(parseListener(text), { path: '/run/x.sock', limit: [], mode: 0o660 });
    assert.equal(listenerPlace(parseListener('unix:///run/what%3F.sock')), '/run/what?.sock');
  });

  it('limits to types, labels and namespaces: of each one of the values', () => {
    assert.deepEqual(terms('unix:///x?types=container'), ['type=container']);
    assert.deepEqual(terms('unix:///x?types=image,container&types=image&types=network'), [
      'type=container',
      'type=image',
      'type=network',
    ]);
    assert.deepEqual(terms('unix:///x?label=team=web&label=a,b&namespace=prod&namespace=k8s.io'), [
      'label=a,b',
      'label=team=web',
      'namespace=k8s.io',
      'namespace=prod',
    ]);
    assert.deepEqual(terms('unix:///x?label=team=a%26b%2Bc+d&label=%C3%A9=*'), ['label=team=a&b+c d', 'label=é=*']);
  });

  it('says who may connect, and whether secrets are taken out', () => {
    assert.deepEqual(parseListener('unix:///x?mode=0600&owner=web&group=2000&redact=off'), {
      path: '/x',
      limit: [],
      mode: 0o600,
      owner: 'web',
      group: '2000',
      redact: false,
    });
    assert.equal(parseListener('unix:///x?redact=on').redact, true);
    assert.deepEqual(parseListener('unix:///x?allow=uid:0,gid:docker&allow=any').allow, [
      { kind: 'uid', account: '0' },
      { kind: 'gid', account: 'docker' },
      { kind: 'any' },
    ]);
    for (const [text, mode] of [
      ['660', 0o660],
      ['0666', 0o666],
      ['000', 0],
    ] as const)
      assert.deepEqual(parseListener(`unix:///x?mode=${text}`), { path: '/x', limit: [], mode });
  });

  it('is a port with certificates, and with a ca for those who have one of it', () => {
    const tls = { cert: '/c.pem', key: '/k.pem' };
    const far = { host: 'far.example', port: 2376, limit: [] };
    assert.deepEqual(parseListener(TLS), { ...far, tls });
    assert.deepEqual(parseListener('tcp://[2001:db8::1]:1?cert=/a%20b.pem&key=/k.pem&ca=/ca.pem&redact=off'), {
      host: '2001:db8::1',
      port: 1,
      limit: [],
      redact: false,
      tls: { cert: '/a b.pem', key: '/k.pem', ca: '/ca.pem' },
    });
    assert.deepEqual(terms(`${TLS}&types=image,container&label=team=web`), [
      'label=team=web',
      'type=container',
      'type=image',
    ]);
  });

  it('says by the names in certificates who may read', () => {
    const allow = 'cn:web shop,san:dns:Web.Example&allow=san:uri:spiffe://Example/web&allow=san:email:a@b,none,any';
    assert.deepEqual(parseListener(`${TLS}&ca=/ca.pem&allow=${allow}`).allow, [
      { kind: 'certificate', name: 'cn:web shop' },
      { kind: 'certificate', name: 'san:dns:web.example' },
      { kind: 'certificate', name: 'san:uri:spiffe://Example/web' },
      { kind: 'certificate', name: 'san:email:a@b' },
      { kind: 'none' },
      { kind: 'any' },
    ]);
  });

  it('is without TLS only where that is said, and only on this machine', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '[::1]', 'localhost']) {
      const listener = parseListener(`tcp://${host}:2375?tls=off`) as TcpListener;
      assert.equal(listener.tls, undefined);
      assert.equal(listenerPlace(listener), `tcp://${host}:2375`);
    }
  });

  it('is refused with what was expected when it is something else', () => {
    for (const [listen, message] of [
      ['http://127.0.0.1:2375', 'a path or unix:///'],
      ['unix://run/x.sock', 'a path or unix:///'],
      ['unix://', 'a path or unix:///'],
      ['/run/x.sock?types=container', 'a path or unix:///'],
      ['unix:///x?type=container', 'parameters out of types, label, namespace, redact, allow, mode, owner, group'],
      ['unix:///x?Types=container', 'parameters out of'],
      ['unix:///x?types=container&', 'parameters out of'],
      ['unix:///x?types', 'a value of types'],
      ['unix:///x?types=', 'a value of types'],
      ['unix:///x?types=container,', 'types with a comma'],
      ['unix:///x?label=', 'a value of label'],
      ['unix:///x?label==web', 'a label as k or k=v'],
      ['unix:///x?label=te*m=web', 'a label as k or k=v'],
      ['unix:///x?namespace=', 'a value of namespace'],
      [`unix:///x?namespace=${'n'.repeat(1025)}`, 'at most 1024 characters'],
      ['unix:///x?mode=', 'a value of mode'],
      ['unix:///x?mode=66', 'three octal digits'],
      ['unix:///x?mode=0668', 'three octal digits'],
      ['unix:///x?mode=1660', 'three octal digits'],
      ['unix:///x?mode=0o660', 'three octal digits'],
      ['unix:///x?mode=rw', 'three octal digits'],
      ['unix:///x?mode=0660&mode=0666', 'mode once'],
      ['unix:///x?group=a&group=b', 'group once'],
      ['unix:///x?group=a%20b', 'group as a name or a number'],
      ['unix:///x?owner=a:b', 'owner as a name or a number'],
      ['unix:///x?redact=yes', 'redact as on or off'],
      ['unix:///x?allow=root', 'allow as any, none, uid:NAME or gid:NAME'],
      ['unix:///x?allow=uid:', 'allow as any, none, uid:NAME or gid:NAME'],
      ['unix:///x?allow=any,', 'allow as any, none, uid:NAME or gid:NAME'],
      ['unix:///x?label=%zz', 'percent-encoding'],
      ['unix:///100%.sock', 'percent-encoding'],
      ['unix:///x%00', 'without NUL'],
      [['/x', 'unix:///x?types=image'], 'each place once'],
      ['unix:///x?cert=/c.pem', 'parameters out of'],
      ['unix:///x?allow=cn:web', 'allow as any, none, uid:NAME or gid:NAME'],
      ['tcp://', 'tcp://HOST:PORT'],
      ['tcp://127.0.0.1', 'tcp://HOST:PORT'],
      ['tcp://127.0.0.1:0?tls=off', 'tcp://HOST:PORT'],
      ['tcp://127.0.0.1:65536?tls=off', 'tcp://HOST:PORT'],
      ['tcp://::1:2376?tls=off', 'tcp://HOST:PORT'],
      ['tcp://far.example:2376/x?tls=off', 'tcp://HOST:PORT'],
      ['tcp://me@far.example:2376?tls=off', 'tcp://HOST:PORT'],
      ['tcp://127.0.0.1:2375', 'cert and key, or tls=off on an address of this machine alone'],
      ['tcp://0.0.0.0:2376?cert=/c.pem', 'cert and key'],
      ['tcp://0.0.0.0:2376?key=/k.pem&ca=/ca.pem', 'cert and key'],
      ['tcp://0.0.0.0:2376?cert=c.pem&key=/k.pem', 'the path of a file for cert'],
      ['tcp://0.0.0.0:2376?cert=/c.pem&key=/k%00', 'the path of a file for key'],
      ['tcp://0.0.0.0:2376?cert=/c.pem&cert=/d.pem&key=/k.pem', 'cert once'],
      ['tcp://0.0.0.0:2375?tls=off', 'an address of this machine alone'],
      ['tcp://[::]:2375?tls=off', 'an address of this machine alone'],
      ['tcp://far.example:2375?tls=off', 'an address of this machine alone'],
      ['tcp://127.0.0.1.far.example:2375?tls=off', 'an address of this machine alone'],
      ['tcp://127.0.0.1:2375?tls=on', 'tls as off'],
      ['tcp://127.0.0.1:2375?tls=off&cert=/c.pem&key=/k.pem', 'either certificates or tls=off'],
      [
        'tcp://127.0.0.1:2375?tls=off&mode=0660',
        'parameters out of types, label, namespace, redact, allow, cert, key, ca, tls',
      ],
      [`${TLS}&ca=/ca.pem&allow=uid:0`, 'allow as any, none, cn:NAME'],
      [`${TLS}&ca=/ca.pem&allow=web`, 'allow as any, none, cn:NAME'],
      [`${TLS}&ca=/ca.pem&allow=cn:`, 'allow as any, none, cn:NAME'],
      [`${TLS}&ca=/ca.pem&allow=san:web.example`, 'allow as any, none, cn:NAME'],
      [`${TLS}&ca=/ca.pem&allow=san:ip:10.0.0.1`, 'allow as any, none, cn:NAME'],
      [`${TLS}&ca=/ca.pem&allow=cn:a%00b`, 'allow as any, none, cn:NAME'],
      [`${TLS}&allow=cn:web`, 'ca where allow names certificates'],
      ['tcp://127.0.0.1:2375?tls=off&allow=any,san:dns:a', 'ca where allow names certificates'],
      [[TLS, 'tcp://far.example:2376?cert=/other.pem&key=/other.pem'], 'each place once'],
      [Array.from({ length: 17 }, (_, index) => `/x${index}`), 'at most 16'],
    ] as const)
      assert.throws(
        () => makeOptions({ listen }),
        (error: { code: string; message: string }) =>
          error.code === 'ERR_OPTION_INVALID' &&
          error.message.startsWith('listen: ') &&
          error.message.includes(message),
        String(listen),
      );
    for (const listen of [7, [7], {}, null, true].filter((value) => value !== null))
      assert.throws(() => makeOptions({ listen }), { code: 'ERR_OPTION_INVALID', message: /^listen: / });
  });

  it('is one text, or a list, or none', () => {
    assert.deepEqual(parseListeners(''), []);
    assert.deepEqual(parseListeners([]), []);
    assert.deepEqual(parseListeners(['/a', 'unix:///b?types=image', 'tcp://[::1]:80?tls=off']).map(listenerPlace), [
      '/a',
      '/b',
      'tcp://[::1]:80',
    ]);
    assert.deepEqual(parseOptionText('listen', '/a'), ['/a']);
    assert.equal(makeOptions({}).listen, '');
    assert.equal(makeOptions({ listen: '/a' }).listen, '/a');
  });
});
