import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DescriptorTable } from '../../../src/messages/descriptor-table.ts';

describe('DescriptorTable', () => {
  it('knows the sockets of each shard until they are gone, and not what has got their numbers since', () => {
    const memory = DescriptorTable.allocate(2);
    const [left, right] = [new DescriptorTable(memory, 0), new DescriptorTable(memory, 1)];
    left.add({ fd: 7, inode: 0xffff_fff0 });
    left.add({ fd: 65_535, inode: 9 });
    left.add({ fd: 65_536, inode: 10 });
    right.add({ fd: 8, inode: 11 });
    const main = new DescriptorTable(memory, 0);
    assert.deepEqual(main.all, [
      { fd: 7, inode: 0xffff_fff0 },
      { fd: 65_535, inode: 9 },
    ]);
    left.add({ fd: 7, inode: 12 });
    left.remove({ fd: 7, inode: 0xffff_fff0 });
    left.remove({ fd: 65_535, inode: 9 });
    assert.deepEqual(main.all, [{ fd: 7, inode: 12 }]);
    main.clear();
    assert.deepEqual(left.all, []);
    assert.deepEqual(right.all, [{ fd: 8, inode: 11 }]);
  });
});
