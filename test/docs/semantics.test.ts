import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../architecture/source.ts';

const ROOT = projectRoot();
const NOTE = /^\[\^([\w-]+)\]: `([^`]+)` "(.*)"$/;

interface Semantics {
  readonly sentences: readonly string[];
  /** Which test each note names. */
  readonly notes: ReadonlyMap<string, { readonly file: string; readonly title: string }>;
}

/** The promises: all text but headings, the quoted introduction, the notes, and what is not promised. */
function read(markdown: string): Semantics {
  const notes = new Map<string, { file: string; title: string }>();
  const promised: string[] = [];
  let isPromise = true;
  for (const line of markdown.split('\n')) {
    const note = NOTE.exec(line);
    if (note) notes.set(note[1]!, { file: note[2]!, title: note[3]! });
    if (line.startsWith('#')) isPromise = line !== '## Not promised';
    const isText = !note && isPromise && !/^[#>]/.test(line);
    promised.push(isText ? line.replace(/^- /, '\n') : '\n');
  }
  const sentences = promised
    .join(' ')
    .split('\n')
    .flatMap((paragraph) => paragraph.split(/(?<=[.!?](?:\[\^[\w-]+\])*)\s+(?=[A-Z])/))
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '');
  return { sentences, notes };
}

describe('docs/semantics.md', () => {
  const { sentences, notes } = read(fs.readFileSync(path.join(ROOT, 'docs/semantics.md'), 'utf8'));
  const used = sentences.flatMap((sentence) => [...sentence.matchAll(/\[\^([\w-]+)\]/g)].map(([, id]) => id!));

  it('names a test with every sentence', () => {
    assert.ok(sentences.length > 40);
    assert.deepEqual(
      sentences.filter((sentence) => !/\[\^[\w-]+\]$/.test(sentence)),
      [],
    );
  });

  it('names tests that exist', () => {
    for (const id of used) {
      const note = notes.get(id);
      assert.ok(note, `there is no note ${id}`);
      const text = fs.readFileSync(path.join(ROOT, note.file), 'utf8').replaceAll('\\u2019', '’');
      assert.ok(text.includes(note.title), `${note.file} has no test "${note.title}"`);
    }
  });

  it('has no note that nothing refers to', () => {
    assert.deepEqual(
      [...notes.keys()].filter((id) => !used.includes(id)),
      [],
    );
  });

  it('would be found without a test', () => {
    const { sentences: found } = read('# A\n\nOne.[^a] Two. Three.[^b]\n\n- Four.[^c]\n- Five.');
    assert.deepEqual(found, ['One.[^a]', 'Two.', 'Three.[^b]', 'Four.[^c]', 'Five.']);
  });
});
