import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { Links } from '../../../src/runtime/links.ts';

describe('Links', () => {
  it('hear what a dead peer had still to say before anything of the one in its place, and nothing of it later', async () => {
    const before = new MessageChannel();
    const after = new MessageChannel();
    const links = new Links({ collector: before.port1 });
    const heard: unknown[] = [];
    links.listen((message, from) => heard.push([from, message]));
    for (const word of [1, 2, 3]) before.port2.postMessage(word);
    after.port2.postMessage('new');
    links.relink('collector', after.port1);
    before.port2.postMessage('late');
    await new Promise<void>((resolve) => {
      after.port1.once('message', () => resolve());
    });
    assert.deepEqual(
      heard,
      [1, 2, 3, 'new'].map((word) => ['collector', word]),
    );
    assert.equal(links.get('collector'), after.port1);
    links.close();
  });

  it('hear a peer that was not linked before', async () => {
    const { port1, port2 } = new MessageChannel();
    const links = new Links({});
    const heard = new Promise((resolve) => {
      links.listen(resolve);
    });
    links.relink('buffer', port1);
    port2.postMessage('word');
    assert.equal(await heard, 'word');
    links.close();
  });
});
