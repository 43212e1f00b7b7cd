import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { preferredDockerType, prefersSse } from '../../../src/doors/accept-header.ts';

describe('the Accept header of /v1/events', () => {
  for (const accept of [
    'text/event-stream',
    'TEXT/Event-Stream',
    'text/event-stream;charset=utf-8',
    'text/event-stream; q=0.1',
    'text/event-stream, */*',
    'application/json, text/event-stream',
    'text/event-stream;q=0.9, application/x-ndjson;q=0.8',
    'text/event-stream;q=0.5, application/x-ndjson;q=0, */*',
    ' ,, text/event-stream ,',
    'text/html;level="1";q=0.2, text/event-stream;x=y;q=0.200',
  ])
    it(`asks for server-sent events with ${JSON.stringify(accept)}`, () => assert.ok(prefersSse(accept)));

  for (const accept of [
    undefined,
    '',
    '*/*',
    'text/*',
    'application/x-ndjson',
    'application/json',
    'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'text/event-stream;q=0',
    'text/event-stream;q=0.000, */*;q=0',
    'text/event-stream, application/x-ndjson',
    'text/event-stream;q=0.5, application/x-ndjson',
    'text/event-stream;q=0.5, application/*',
    'text/event-stream;q=0.5, */*',
    'text/event-stream;q=much',
    'text/event-stream;q=1.5',
    'text/event-streams',
  ])
    it(`leaves it at JSON lines with ${JSON.stringify(accept)}`, () => assert.ok(!prefersSse(accept)));
});

describe('the Accept header of Docker\u2019s /events', () => {
  for (const [accept, type] of [
    ['application/jsonl', 'application/jsonl'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['application/json-seq', 'application/json-seq'],
    // What the newest command line sends, as three lines.
    ['application/jsonl, application/x-ndjson;q=0.9, application/json-seq;q=0.5', 'application/jsonl'],
    ['application/json-seq, application/x-ndjson, application/jsonl', 'application/jsonl'],
    ['application/json-seq;q=0.8, application/x-ndjson;q=0.7, */*', 'application/json-seq'],
    ['application/json-seq;q=0', undefined],
    ['application/json', undefined],
    ['*/*', undefined],
    ['application/*', undefined],
    [undefined, undefined],
  ] as const)
    it(`names ${type ?? 'no type'} with ${JSON.stringify(accept)}`, () =>
      assert.equal(preferredDockerType(accept), type));
});
