import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionPlaces, connectionsWithin } from '../../../src/doors/connection-places.ts';
import type { Peer } from '../../../src/doors/peer.ts';
import { makeOptions } from '../../../src/event/options.ts';
import { LiveSettings } from '../../../src/messages/live-settings.ts';
import { LogState } from '../../../src/messages/log-state.ts';

function user(uid: number): Peer {
  return { pid: 1, uid, gid: 1, groups: () => [] };
}

describe('the places for connections', () => {
  const memory = LogState.allocate();
  const settings = new LiveSettings(LiveSettings.allocate(makeOptions({})));
  let shards = 0;
  /** Of one shard, or of the other. */
  const places = (room = 5): ConnectionPlaces =>
    new ConnectionPlaces((shards += 1) % 2, new LogState(memory), settings, room);
  const refusal = (limit: string, maximum: number): object => ({
    code: 'ERR_CONNECTIONS_EXHAUSTED',
    detail: { limit, maximum },
  });

  it('end where descriptors do, over all shards, and come back', () => {
    const taken = [1, 2, 3, 4, 5].map((uid) => places().take(user(uid)));
    assert.throws(() => places().take(user(6)), refusal('max-connections', 5));
    taken[0]!();
    taken[0] = places().take(user(6));
    for (const give of taken) give();
    assert.equal(new LogState(memory).connections.taken, 0);
  });

  it('end where memory does that is limited, unless the operator says how many there may be', () => {
    assert.deepEqual([0, 64 * 2 ** 20, 256 * 2 ** 20].map(connectionsWithin), [Infinity, 16, 170]);
    // What Node says without a limit.
    assert.ok(connectionsWithin(2 ** 64) > 1e9);
    const limited = (): ConnectionPlaces => new ConnectionPlaces(0, new LogState(memory), settings, 5, 2);
    const taken = [limited().take(user(1)), limited().take(user(2))];
    assert.throws(() => limited().take(user(3)), refusal('max-connections', 2));
    settings.set('maxConnections', 3);
    taken.push(limited().take(user(3)));
    assert.throws(() => limited().take(user(4)), refusal('max-connections', 3));
    settings.set('maxConnections', 0);
    for (const give of taken) give();
  });

  it('end where the operator says, in all and for each user, from the moment on at which it is said', () => {
    settings.set('maxConnections', 3);
    settings.set('maxConnectionsPerUser', 2);
    const taken = [places().take(user(1)), places().take(user(1))];
    assert.throws(() => places().take(user(1)), refusal('max-connections-per-user', 2));
    taken.push(places().take(user(2)));
    assert.throws(() => places().take(user(2)), refusal('max-connections', 3));
    settings.set('maxConnections', 100);
    assert.throws(() => places(4).take(user(1)), refusal('max-connections-per-user', 2));
    taken.push(places(4).take(user(3)));
    assert.throws(
      () => places(4).take(user(4)),
      refusal('max-connections', 4),
      'never more than there are descriptors for',
    );
    for (const give of taken) give();
    settings.set('maxConnectionsPerUser', 0);
    for (const give of [1, 2, 3, 4].map(() => places().take(user(1)))) give();
  });

  it('are taken by who has gone already, too, in all', () => {
    settings.set('maxConnections', 1);
    const give = places().take(undefined);
    assert.throws(() => places().take(undefined), refusal('max-connections', 1));
    give();
    places().take(undefined)();
  });
});
