import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { familiarName } from '../../../src/event/image-reference.ts';

describe('the familiar name of an image', () => {
  it('has no tag, no digest, and no registry of Docker Hub', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const [image, name] of [
      ['busybox', 'busybox'],
      ['busybox:1', 'busybox'],
      [`busybox:1@${digest}`, 'busybox'],
      ['docker.io/library/bb:1', 'bb'],
      ['index.docker.io/library/bb', 'bb'],
      ['docker.io/me/bb', 'me/bb'],
      ['library/bb', 'bb'],
      ['host:5000/x/y:1', 'host:5000/x/y'],
      [`host:5000/x/y:1@${digest}`, 'host:5000/x/y'],
      ['localhost/x', 'localhost/x'],
      ['ghcr.io/a/b:latest', 'ghcr.io/a/b'],
      [digest, 'sha256'],
    ] as const)
      assert.equal(familiarName(image), name, image);
  });

  it('of what is no reference is what it was', () => {
    for (const image of ['', 'Busybox', 'a b', 'f'.repeat(64), 'x'.repeat(300), 'a//b', '-a', 'a:b c'])
      assert.equal(familiarName(image), image);
  });
});
