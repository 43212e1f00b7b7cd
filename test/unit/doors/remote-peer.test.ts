import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { alternativeNames } from '../../../src/doors/remote-peer.ts';

describe('the alternative names of a certificate', () => {
  it('are told by their kind', () => {
    assert.deepEqual(alternativeNames(''), []);
    assert.deepEqual(
      alternativeNames('DNS:web.example, URI:spiffe://example/ns/web, email:web@example, IP Address:127.0.0.1'),
      ['san:dns:web.example', 'san:uri:spiffe://example/ns/web', 'san:email:web@example'],
    );
    assert.deepEqual(alternativeNames('othername:<unsupported>, DNS:a, Registered ID:1.2.3'), ['san:dns:a']);
  });

  it('are one each, whatever is in them', () => {
    assert.deepEqual(alternativeNames('URI:"spiffe://a, DNS:root"'), ['san:uri:spiffe://a, DNS:root']);
    assert.deepEqual(alternativeNames('DNS:"a\\", DNS:root", DNS:b'), ['san:dns:a", DNS:root', 'san:dns:b']);
    // As Node writes them.
    const written = (value: string): string => (/[^\x20-\x7e]|[",'\\]/.test(value) ? JSON.stringify(value) : value);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('DNS', 'URI', 'email'), fc.string({ minLength: 1 })), { maxLength: 4 }),
        (names) =>
          assert.deepEqual(
            alternativeNames(names.map(([kind, value]) => `${kind}:${written(value)}`).join(', ')),
            names.map(([kind, value]) => `san:${kind.toLowerCase()}:${value}`),
          ),
      ),
    );
  });

  it('are none where they cannot be understood', () => {
    for (const broken of ['DNS', 'DNS:a,DNS:b', 'DNS:"\\x"', 'DNS:"a', 'DNS:a"b', ', DNS:a', 'DNS:a, DNS'])
      assert.deepEqual(alternativeNames(broken), [], broken);
  });
});
