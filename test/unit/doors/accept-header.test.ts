import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { prefersSse } from '../../../src/doors/accept-header.ts';

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
