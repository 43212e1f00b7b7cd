import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientTable } from '../../../src/cli/client-table.ts';
import type { ClientInfo } from '../../../src/messages/control.ts';

function client(parts: Partial<ClientInfo> = {}): ClientInfo {
  return {
    id: '0.1',
    shard: 0,
    door: 'native',
    peer: 'unix',
    filter: '',
    cursor: 'aaaaaaaa-7',
    lagEvents: 0,
    lagSeconds: 0,
    delivered: 0,
    missed: 0,
    policy: 'catch-up',
    state: 'live',
    ...parts,
  };
}

describe('clientTable', () => {
  it('shows who is furthest behind first, numbers to the right', () => {
    const clients = [
      client({ delivered: 1234567 }),
      client({
        id: '8193.2',
        shard: 1,
        lagEvents: 4096,
        lagSeconds: 2.25,
        state: 'blocked',
        missed: 3,
        filter: 'id="c1"',
      }),
    ];
    assert.deepEqual(clientTable(clients), [
      '2 clients (1 on shard 0, 1 on shard 1), largest lag 4,096 events',
      '',
      'ID      SHARD  DOOR    PEER  STATE      LAG  LAG S  DELIVERED  MISSED  POLICY    FILTER',
      '8193.2      1  native  unix  blocked  4,096    2.3          0       3  catch-up  id="c1"',
      '0.1         0  native  unix  live         0    0.0  1,234,567       0  catch-up',
    ]);
  });

  it('shows which listener clients came over where they differ in it', () => {
    const [web, all] = [client({ listener: '/run/web.sock' }), client({ id: '1.1', listener: '/run/tocsin.sock' })];
    assert.doesNotMatch(clientTable([web, web])[2] ?? '', /LISTENER/);
    const lines = clientTable([web, all, client({ id: '2.1', peer: 'embedded' })]);
    assert.match(lines[2] ?? '', /PEER +LISTENER +STATE/);
    assert.match(lines[3] ?? '', / unix +\/run\/web\.sock +live /);
    assert.match(lines[5] ?? '', / embedded +- +live /);
  });

  it('says that it does not know how old an event is that is not at hand', () => {
    assert.match(clientTable([client({ lagEvents: 9, lagSeconds: null })])[3] ?? '', / 9 +\? /);
  });

  it('shows rates when it knows what was before', () => {
    const before = [client({ delivered: 100 })];
    const now = [client({ delivered: 1100 }), client({ id: '1.1', delivered: 50 })];
    const lines = clientTable(now, { before, seconds: 2 });
    assert.match(lines[0] ?? '', /^2 clients, 500 deliveries\/s, /);
    assert.match(lines[2] ?? '', /DELIVERED  PER S  MISSED/);
    assert.match(lines[3] ?? '', /1,100 +500 /);
    assert.match(lines[4] ?? '', / 50 +0 /);
  });

  it('keeps within the terminal and says what it leaves out', () => {
    const clients = Array.from({ length: 30 }, (_, index) => client({ id: `${index}.1`, filter: 'x'.repeat(200) }));
    const lines = clientTable(clients, { columns: 80, rows: 10 });
    assert.equal(lines.length, 10);
    assert.ok(lines.every((line) => line.length <= 80));
    assert.equal(lines.at(-1), '... and 24 more');
  });

  it('is a table without clients, too', () => {
    assert.equal(clientTable([])[0], '0 clients, largest lag 0 events');
  });
});
