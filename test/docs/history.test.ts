import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { EVENT, HISTORY_BATCH, HISTORY_FILE, STATE } from '../../src/messages/layout.ts';
import { projectRoot } from '../architecture/source.ts';

const PAGE = fs.readFileSync(path.join(projectRoot(), 'docs/history.md'), 'utf8');
/** Constants beside the fields. */
const SIZES = ['BYTES', 'FIXED_BYTES', 'EPOCH_BYTES', 'MAGIC_VALUE', 'VERSION_VALUE'];

/** The rows of a table: offset, bytes and name of each field. */
function fieldsOf(name: string): { readonly offset: number; readonly bytes: number; readonly field: string }[] {
  const [, table = ''] = new RegExp(`<!-- ${name} -->(.*?)<!-- /${name} -->`, 's').exec(PAGE) ?? [];
  return [...table.matchAll(/^\| (\d+) \| (\d+) \| `(\w+)` \|/gm)].map(([, offset, bytes, field = '']) => ({
    offset: Number(offset),
    bytes: Number(bytes),
    field,
  }));
}

describe('docs/history.md', () => {
  for (const [name, layout] of Object.entries({ HISTORY_FILE, HISTORY_BATCH, EVENT, STATE })) {
    it(`says where the fields of ${name} are`, () => {
      const fields = fieldsOf(name);
      const offsets = Object.entries<number>(layout).filter(([field]) => !SIZES.includes(field));
      assert.deepEqual(new Map(fields.map(({ field, offset }) => [field, offset])), new Map(offsets));
      for (const [index, { offset, bytes, field }] of fields.entries())
        assert.ok(offset + bytes <= (fields[index + 1]?.offset ?? Infinity), `${field} ends before the next one`);
    });
  }

  it('says what stands first in a file and in a batch', () => {
    for (const { MAGIC_VALUE } of [HISTORY_FILE, HISTORY_BATCH]) {
      const magic = Buffer.alloc(4);
      magic.writeUInt32LE(MAGIC_VALUE);
      assert.ok(PAGE.includes(`\`${magic.toString('latin1')}\``), magic.toString('latin1'));
    }
  });
});
