import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventView } from '../../../src/codec/event-record.ts';
import { makeEncoder } from '../../../src/codec/formats.ts';
import { Redactor } from '../../../src/codec/redactor.ts';
import { BUILT_IN_SCAN as SECRETS } from '../../../src/codec/secret-scan.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import type { LaneFormat } from '../../../src/messages/control.ts';
import { EVENT, FLAG_NO_SECRET, SEGMENT } from '../../../src/messages/layout.ts';
import { encoded } from '../../support/encoding.ts';
import { EPOCHS, segmentOf, viewOf } from '../../support/log.ts';
import { eventOfLine } from '../../support/packed.ts';
import { plantedCommand, plantedLabel, plantedText, SECRET_MARK } from '../../support/secrets.ts';
import { recordedLines } from '../../support/vectors.ts';

const FORMATS: readonly LaneFormat[] = [
  'json-plain',
  'json-chunked',
  'sse-plain',
  'docker-modern-lines-plain',
  'docker-legacy-cursor-seq-chunked',
  'docker-old-lines-plain',
  'event-log',
  'isulad-grpc',
  'packed',
];
const ENCODERS = FORMATS.map((format) => makeEncoder(format, EPOCHS));

const EXEC: NewEvent = {
  type: 'container',
  action: 'exec_create',
  args: 'mysql --password S3',
  id: 'c1',
  attributes: { image: 'auth:1', name: 'token=1', execID: 'secret=2', 'db.password': 'S3', tier: 'front' },
  pid: 7,
  exitCode: 3,
  scope: 'local',
  source: 'docker',
  namespace: 'moby',
};

/** As the collector marks it. */
function marked(view: EventView): EventView {
  if (!SECRETS.finds(view)) view.halves[(view.at + EVENT.FLAGS) >> 1]! |= FLAG_NO_SECRET;
  return view;
}

const isIn = (bytes: Uint8Array, text: string): boolean => Buffer.from(bytes).toString('latin1').includes(text);

describe('Redactor', () => {
  it('shows an event without its secrets, and everything else of it', () => {
    const view = viewOf(EXEC);
    const shown = new Redactor().shown(view);
    assert.deepEqual(shown.toEvent(EPOCHS), {
      ...view.toEvent(EPOCHS),
      args: 'mysql --password ***',
      attributes: { ...EXEC.attributes, 'db.password': '***' },
    });
    assert.equal(shown.byteLength % 8, 0);
    assert.equal(view.args, EXEC.args, 'the event itself was changed');
  });

  it('shows no secret in any format, in whatever form it stands in command, action or labels', () => {
    const redactor = new Redactor();
    fc.assert(
      fc.property(
        plantedCommand,
        fc.option(plantedCommand),
        fc.array(plantedLabel, { maxLength: 3 }),
        fc.array(plantedText, { maxLength: 3 }),
        (command, action, labels, texts) => {
          const event: NewEvent = {
            ...EXEC,
            ...(action ? { action: `exec_create: ${action.text}` } : {}),
            args: command.text,
            attributes: {
              ...EXEC.attributes,
              'db.password': '',
              ...Object.fromEntries(labels),
              ...Object.fromEntries(texts.map(({ text }, index) => [`label${index}`, text])),
            },
          };
          const view = marked(viewOf(event));
          const shown = redactor.shown(view);
          for (const encoder of ENCODERS) {
            assert.ok(isIn(encoded(encoder, view), SECRET_MARK));
            assert.ok(!isIn(encoded(encoder, shown), SECRET_MARK));
          }
          JSON.parse(Buffer.from(encoded(ENCODERS[0]!, shown)).toString());
        },
      ),
    );
  });

  it('gives the event itself back when there is nothing to hide', () => {
    const redactor = new Redactor();
    const view = viewOf({ ...EXEC, args: 'cat /run/secrets/password', attributes: {} });
    assert.equal(redactor.shown(view), view);
    const quick = viewOf(EXEC);
    quick.halves[(quick.at + EVENT.FLAGS) >> 1]! |= FLAG_NO_SECRET;
    assert.equal(redactor.shown(quick), quick, 'looked at, though it is marked');
  });

  it('suspects records of before there was a mark', () => {
    assert.equal(new Redactor().shown(viewOf(EXEC)).args, 'mysql --password ***');
  });

  it('knows words of the operator’s in events that were marked without them', () => {
    const view = marked(viewOf({ ...EXEC, args: 'door --pin 1234', attributes: { 'my.pin': '1234' } }));
    assert.equal(new Redactor().shown(view), view);
    const shown = new Redactor(['pin']).shown(view);
    assert.equal(shown.args, 'door --pin ***');
    assert.deepEqual([...shown.attributes()], [['my.pin', '***']]);
  });

  it('tells one event from the next, and shows what it has shown again', () => {
    const segment = segmentOf([EXEC, { ...EXEC, args: 'a --token b' }, { ...EXEC, id: 'c2' }]);
    const { view } = segment;
    const redactor = new Redactor();
    const seen: string[] = [];
    for (view.at = SEGMENT.HEADER_BYTES; seen.length < 6; view.at += view.byteLength)
      for (let again = 0; again < 2; again += 1) seen.push(`${redactor.shown(view).id} ${redactor.shown(view).args}`);
    const [first, second, third] = ['c1 mysql --password ***', 'c1 a --token ***', 'c2 mysql --password ***'];
    assert.deepEqual(seen, [first, first, second, second, third, third]);
  });

  it('hides all of a text that would become too long for a record', () => {
    const args = 'pwd=x '.repeat(10_900);
    assert.ok(args.length < 65_536);
    assert.equal(new Redactor().shown(viewOf({ ...EXEC, args, attributes: {} })).args, '***');
  });

  it('shows labels of a container as its events do', () => {
    assert.deepEqual(new Redactor().labels({ 'db.password': 'S3', url: 'http://a:S3@h', tier: 'front' }), {
      'db.password': '***',
      url: 'http://a:***@h',
      tier: 'front',
    });
  });

  it('changes nothing in what real engines have told', () => {
    const redactor = new Redactor();
    let suspects = 0;
    let events = 0;
    for (const name of ['docker-events-format-json.jsonl', 'docker-edge-events.jsonl'])
      for (const line of recordedLines(name)) {
        const view = marked(viewOf(eventOfLine(line)));
        events += 1;
        if (view.half(EVENT.FLAGS) === 0) suspects += 1;
        assert.equal(redactor.shown(view), view, line);
      }
    console.log(`# ${events} events, ${suspects} of them suspected in vain`);
    assert.ok(events > 130);
  });
});
