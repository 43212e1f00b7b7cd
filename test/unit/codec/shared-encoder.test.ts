import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Encoder } from '../../../src/codec/encoder.ts';
import { makeEncoder } from '../../../src/codec/formats.ts';
import { Redactor } from '../../../src/codec/redactor.ts';
import { SharedEncoder } from '../../../src/codec/shared-encoder.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { encoded } from '../../support/encoding.ts';
import { EPOCHS, viewOf } from '../../support/log.ts';

const EVENT: NewEvent = { type: 'container', action: 'start', id: 'c1', attributes: { image: 'nginx', name: 'web' } };
const SECRET: NewEvent = { ...EVENT, action: 'exec_create', args: 'mysql --password hunter2' };

/** An encoder that counts its work. */
function counting(): { readonly encoder: Encoder; calls: number } {
  const real = makeEncoder('json-chunked', EPOCHS);
  const counted = {
    calls: 0,
    encoder: {
      maxBytes: (bytes: number) => real.maxBytes(bytes),
      encode(...args: Parameters<Encoder['encode']>) {
        counted.calls += 1;
        return real.encode(...args);
      },
    },
  };
  return counted;
}

describe('SharedEncoder', () => {
  it('says what the encoder says, also of events that are larger than those before', () => {
    const real = makeEncoder('json-chunked', EPOCHS);
    const shared = new SharedEncoder(makeEncoder('json-chunked', EPOCHS));
    for (const [index, length] of [1, 3_000, 50_000, 2].entries()) {
      const view = viewOf({ ...EVENT, args: 'x'.repeat(length) }, { seq: index + 1 });
      assert.deepEqual(Buffer.from(shared.encoded(view, index + 1, false)), Buffer.from(encoded(real, view)));
    }
  });

  it('encodes an event once, and once more without its secrets', () => {
    const counted = counting();
    const shared = new SharedEncoder(counted.encoder);
    const view = viewOf(SECRET, { seq: 7 });
    const shown = new Redactor().shown(view);
    const texts = [view, view, shown, shown].map((each) =>
      Buffer.from(shared.encoded(each, 7, each !== view)).toString('utf8'),
    );
    assert.deepEqual(
      texts.map((text) => text.includes('hunter2')),
      [true, true, false, false],
    );
    assert.equal(counted.calls, 2);
    shared.encoded(view, 8, false);
    assert.equal(counted.calls, 3);
  });

  it('forgets an event that could not be encoded', () => {
    const { encoder } = counting();
    let fails = false;
    const shared = new SharedEncoder({
      maxBytes: (bytes) => encoder.maxBytes(bytes),
      encode(...args) {
        if (fails) throw new Error('no');
        return encoder.encode(...args);
      },
    });
    const view = viewOf(EVENT, { seq: 1 });
    shared.encoded(view, 1, false);
    fails = true;
    assert.throws(() => shared.encoded(view, 2, false), /no/);
    fails = false;
    assert.ok(shared.encoded(view, 2, false).length > 0);
  });
});
