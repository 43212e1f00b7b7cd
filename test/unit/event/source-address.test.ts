import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeOptions, parseOptionText } from '../../../src/event/options.ts';
import { parseSource } from '../../../src/event/source-address.ts';

describe('the address of a source', () => {
  it('has a name in front of a socket', () => {
    assert.deepEqual(parseSource('docker=unix:///var/run/docker.sock'), {
      name: 'docker',
      socketPath: '/var/run/docker.sock',
    });
    assert.deepEqual(parseOptionText('source', 'a=unix:///b'), ['a=unix:///b']);
    assert.deepEqual(makeOptions({}).source, []);
  });

  it('is refused when it is something else, or its name is taken', () => {
    for (const source of [
      ['/var/run/docker.sock'],
      ['docker=/var/run/docker.sock'],
      ['docker=tcp://127.0.0.1:2375'],
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
});
