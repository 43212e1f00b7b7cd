import fc from 'fast-check';
import { anyText } from './events.ts';

/** Every native field, with escapes, numbers, white space and values that are passed over. */
export const NATIVE_LINE =
  ' {"seq" : [ 1 , -2.5e+3 , {"a":{}} , [ ] , true , false , null ] , "type":"container", "action":"exec_\\u0063reate",' +
  '"args":"sh \\"-c\\" \\ud83d\\ude00 \u20ac","id":"c1","attributes":{"a":"\\n\\t\\\\\\/","\u00e9":"b"},"pid":4711,' +
  '"exitCode":0,"scope":"local","source":"s","namespace":"n","timeNano":1795474212609846642,"time":"2026-05-10"}';

/** The same in Docker's words. */
export const DOCKER_LINE =
  '{"status":"die","id":"c1","from":"nginx","Type":"container","Action":"die","Actor":{"ID":"c1","x":[{}],' +
  '"Attributes":{"exitCode":"137","image":"nginx:1.27","name":"w\\u00e9b"}},"scope":"local","time":1795474212,' +
  '"timeNano":1795474212609846642}';

const space = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 2 }),
);

/** A text as JSON, each character plain or escaped in one way or another. */
function jsonText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(text, fc.array(fc.nat(5), { minLength: 1, maxLength: 7 })).map(
    ([plain, ways]) =>
      `"${plain
        .split('')
        .map((unit, index) => written(unit, ways[index % ways.length]!))
        .join('')}"`,
  );
}

/** A field's name. The oracle looks for this one in the line. */
function nameText(name: string): fc.Arbitrary<string> {
  return name === 'timeNano' ? fc.constant('"timeNano"') : jsonText(fc.constant(name));
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function written(unit: string, way: number): string {
  const hex = unit.charCodeAt(0).toString(16).padStart(4, '0');
  if (way === 0) return `\\u${hex}`;
  if (way === 1) return `\\u${hex.toUpperCase()}`;
  const short = SHORT[unit];
  if (short !== undefined && (way === 2 || unit !== '/')) return short;
  return unit < ' ' ? `\\u${hex}` : unit;
}

const number = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '0.0',
    '0e9',
    '-1',
    '1.0',
    '1e2',
    '1E+2',
    '100e-2',
    '1.5',
    '2147483647',
    '2147483648',
    '1e400',
  ),
  fc.nat().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
);
const { value: anyValue } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    jsonText(anyText),
    number,
    fc.constantFrom('true', 'false', 'null'),
    tie('list'),
    tie('object'),
  ),
  list: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 3 })
    .map((items) => `[${items.map((it) => it.join('')).join()}]`),
  object: objectOf(fc.tuple(jsonText(anyText), tie('value')), 3),
}));

function objectOf(member: fc.Arbitrary<[string, string]>, maxLength: number): fc.Arbitrary<string> {
  return fc
    .array(fc.tuple(space, member, space, space), { maxLength })
    .map((parts) => `{${parts.map(([a, [key, value], b, c]) => `${a}${key}${b}:${c}${value}${a}`).join()}}`);
}

const key = fc.oneof(fc.constantFrom('a', 'b', 'exitCode', '1', '__proto__', ''), anyText);
const attributes = objectOf(fc.tuple(jsonText(key), jsonText(anyText)), 20);
const filled = (...texts: string[]): fc.Arbitrary<string> => jsonText(fc.oneof(fc.constantFrom(...texts), anyText));
const seconds = fc.constantFrom(
  '1795474212',
  '1795474212.25',
  '0',
  '"2026-05-10T09:20:34.5Z"',
  '"1778404834.66"',
  '"10m"',
  '4294967296',
);
const nanos = fc.oneof(
  fc.constantFrom(
    '1795474212609846642',
    '"1795474212609846642"',
    '0',
    '"0"',
    '-0',
    '1e18',
    '12345678901234567890',
    '""',
  ),
  fc.bigInt(0n, 2n ** 63n).map(String),
);
const integer = fc.oneof(fc.nat().map(String), number);

/** Names that a line may have, and values that they mostly have. */
const VALUES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  type: filled('container', 'image', 'gap'),
  action: filled('start', 'die'),
  id: filled('c1'),
  args: filled('sh'),
  scope: filled('local'),
  source: filled('x'),
  namespace: filled('y'),
  pid: integer,
  exitCode: integer,
  time: seconds,
  timeNano: nanos,
  attributes,
  seq: anyValue,
  cursor: anyValue,
  status: anyValue,
};
const DOCKER_VALUES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  Type: filled('container', 'image', 'network', 'gap'),
  Action: filled('die', 'exec_die', 'exec_create: sh -c x', 'delete', 'exec_start: '),
  Actor: objectOf(
    fc.oneof(
      fc.tuple(fc.constant('"ID"'), filled('c1')),
      fc.tuple(
        fc.constant('"Attributes"'),
        objectOf(
          fc.oneof(
            fc.tuple(jsonText(key), jsonText(anyText)),
            fc.tuple(
              jsonText(fc.constant('exitCode')),
              fc.constantFrom('"137"', '"0"', '"007"', '5', '"9999999999"', 'null'),
            ),
          ),
          5,
        ),
      ),
    ),
    4,
  ),
};

function members(
  values: Readonly<Record<string, fc.Arbitrary<string>>>,
  names: readonly string[],
): fc.Arbitrary<[string, string][]> {
  return fc.tuple(...names.map((name) => fc.tuple(nameText(name), values[name]!)));
}

function some(
  values: Readonly<Record<string, fc.Arbitrary<string>>>,
  names: readonly string[],
): fc.Arbitrary<[string, string][]> {
  const one = fc.oneof(...names.map((name) => fc.tuple(nameText(name), values[name]!)));
  const odd = fc.tuple(fc.constantFrom(...names).chain(nameText), anyValue);
  const unknown = fc.tuple(jsonText(anyText), anyValue);
  return fc.array(
    fc.oneof({ weight: 12, arbitrary: one }, { weight: 1, arbitrary: odd }, { weight: 1, arbitrary: unknown }),
    { maxLength: 6 },
  );
}

const nativeMembers = fc.tuple(
  members(VALUES, ['type', 'action', 'id']),
  some(
    VALUES,
    Object.keys(VALUES).filter((name) => name !== 'status'),
  ),
);
const dockerMembers = fc.tuple(
  members(DOCKER_VALUES, ['Type', 'Action', 'Actor']),
  some({ ...VALUES, ...DOCKER_VALUES }, ['status', 'id', 'scope', 'time', 'timeNano', 'Actor', 'attributes']),
);

/** Native and Docker's lines, most of them events: fields in any order, also twice, in any way of writing JSON. */
export const anyLine: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(nativeMembers, dockerMembers),
    fc.infiniteStream(fc.nat()),
    fc.array(space, { minLength: 7, maxLength: 7 }),
  )
  .map(([[needed, more], order, spaces]) => {
    const shuffled = [...needed, ...more]
      .map((member) => ({ member, at: order.next().value as number }))
      .sort((one, other) => one.at - other.at)
      .map(({ member: [name, value] }, index) => {
        const around = (step: number): string => spaces[(index + step) % spaces.length]!;
        return `${around(0)}${name}${around(1)}:${around(2)}${value}${around(3)}`;
      });
    return `${spaces[0]}{${shuffled.join()}}${spaces[1]}`;
  });
