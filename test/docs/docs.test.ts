import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ERROR_TABLE } from '../../src/event/errors.ts';
import { OPTION_NAMES, OPTION_TABLE, flagOf, makeOptions } from '../../src/event/options.ts';
import { COUNTER_TABLE } from '../../src/messages/counters.ts';
import { projectRoot, readSources } from '../architecture/source.ts';
import { generatedPages } from './generate.ts';

const ROOT = projectRoot();
const SOURCES = readSources(ROOT, 'src');

/** Ids that no call passes on as a literal: `TocsinError('id'`, `add('id'`, or as one side of a choice. */
function unused(ids: readonly string[], calls: RegExp, texts: readonly string[]): string[] {
  const used = new Set(texts.flatMap((text) => [...text.matchAll(calls)].flatMap(([call]) => literalsOf(call))));
  return ids.filter((id) => !used.has(id));
}

function literalsOf(call: string): string[] {
  return [...call.matchAll(/'(\w+)'/g)].map(([, id]) => id!);
}

const ERROR_CALLS = /TocsinError\([^)]*/g;
const COUNTER_CALLS = /\.add\([^)]*/g;

describe('generated documentation', () => {
  for (const { path: file, text } of generatedPages()) {
    it(`${file} is what the code says`, () => {
      const full = path.join(ROOT, file);
      const actual = fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : '';
      assert.ok(actual === text, `${file} is not up to date. Write it again with: npm run docs`);
    });
  }

  it('names every option, error and counter', () => {
    const all = generatedPages()
      .map(({ text }) => text)
      .join('');
    for (const code of Object.keys(ERROR_TABLE)) assert.ok(all.includes(`\`${code}\``), code);
    for (const name of OPTION_NAMES) assert.ok(all.includes(`\`${flagOf(name)}\` | \`${name}\``), name);
    for (const id of Object.keys(COUNTER_TABLE)) assert.ok(all.includes(`\`${id}\``), id);
  });

  it('shows defaults that the options accept', () => {
    const options = makeOptions({});
    for (const name of OPTION_NAMES) {
      if (OPTION_TABLE[name].default) assert.notEqual(options[name], undefined, name);
    }
  });
});

describe('dead codes', () => {
  const texts = SOURCES.filter(({ path: file }) => file !== 'src/event/errors.ts').map(({ text }) => text);
  const codes = Object.keys(ERROR_TABLE);
  const counters = Object.keys(COUNTER_TABLE);

  it('there are none: every error is raised somewhere', () => {
    assert.deepEqual(unused(codes, ERROR_CALLS, texts), []);
  });

  it('there are none: every counter is added to somewhere', () => {
    assert.deepEqual(unused(counters, COUNTER_CALLS, texts), []);
  });

  it('would be found', () => {
    assert.deepEqual(unused(['ERR_A', 'ERR_B'], ERROR_CALLS, ["throw new TocsinError('ERR_A', `x`);"]), ['ERR_B']);
    assert.deepEqual(unused(['ERR_A'], ERROR_CALLS, ["const table = { ERR_A: 1, list: ['ERR_A'] };"]), ['ERR_A']);
    assert.deepEqual(unused(['ERR_A'], ERROR_CALLS, ["throw asTocsinError(error, 'ERR_A');"]), []);
    assert.deepEqual(unused(['a', 'b', 'c'], COUNTER_CALLS, ["counters.add(x ? 'a' : 'b');"]), ['c']);
  });
});
