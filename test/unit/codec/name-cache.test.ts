import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NameCache } from '../../../src/codec/name-cache.ts';
import { monitorRecord } from '../../support/records.ts';

const WAYS: Readonly<Record<string, (index: number) => string>> = {
  'numbers with zeros in front': (index) => String(index).padStart(64, '0'),
  'numbers with letters behind': (index) => String(index).padEnd(64, 'x'),
  'a word and a number': (index) => `container-${index}`,
  'ids that differ at their end': (index) => `${'abcdef0123456789'.repeat(4)}${index}`.slice(-64),
};

function wordsOf(name: string): Int32Array {
  const record = monitorRecord({ name });
  return new Int32Array(record.buffer, record.byteOffset, record.length / 4);
}

describe('NameCache', () => {
  it('finds what was put under a name, and nothing under another', () => {
    const cache = new NameCache<string>(16);
    assert.equal(cache.find(wordsOf('web'), 0), undefined);
    cache.put(wordsOf('web'), 0, 'one');
    assert.equal(cache.find(wordsOf('web'), 0), 'one');
    assert.equal(cache.find(wordsOf('web2'), 0), undefined);
    cache.put(wordsOf('web'), 0, 'two');
    assert.equal(cache.find(wordsOf('web'), 0), 'two');
  });

  it('never mistakes one name for another, however many there are', () => {
    const cache = new NameCache<string>(8);
    for (let index = 0; index < 1000; index += 1) {
      cache.put(wordsOf(`c${index}`), 0, `c${index}`);
      for (const name of [`c${index}`, `c${index - 1}`, `c${index + 1}`]) {
        const found = cache.find(wordsOf(name), 0);
        assert.ok(found === undefined || found === name);
      }
      assert.equal(cache.find(wordsOf(`c${index}`), 0), `c${index}`);
    }
  });

  for (const [way, nameOf] of Object.entries(WAYS)) {
    it(`finds nearly all of 500 names again: ${way}`, () => {
      const cache = new NameCache<number>(8192);
      const names = Array.from({ length: 500 }, (_, index) => wordsOf(nameOf(index)));
      for (const [index, words] of names.entries()) cache.put(words, 0, index);
      const lost = names.filter((words, index) => cache.find(words, 0) !== index).length;
      assert.ok(lost <= 5, `${lost} were lost`);
    });
  }

  it('forgets everything when it is cleared', () => {
    const cache = new NameCache<number>(16);
    cache.put(wordsOf('web'), 0, 1);
    cache.clear();
    assert.equal(cache.find(wordsOf('web'), 0), undefined);
  });
});
