import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventView } from '../../../src/codec/event-record.ts';
import { BUILT_IN_SCAN as scan, SecretScan } from '../../../src/codec/secret-scan.ts';
import { redactText } from '../../../src/codec/secret-text.ts';
import { utf8 } from '../../../src/codec/bytes.ts';
import { parseSecretWords, SecretNames } from '../../../src/event/secret-names.ts';
import { plantedCommand, plantedText, SECRET_MARK } from '../../support/secrets.ts';

const NAMES = new SecretNames();

/** What a command is shown as. Where only one text is given, that is how it stays. */
const COMMANDS: readonly (readonly [command: string, shown?: string])[] = [
  ['mysql --password S3 -u root', 'mysql --password *** -u root'],
  ['mysql --password=S3 -u root', 'mysql --password=*** -u root'],
  ['mysql -u root -pS3 db', 'mysql -u root -p*** db'],
  ['mysql -u root -p"S 3" db', 'mysql -u root -p"***" db'],
  ['mysql -u root -p db'],
  ['mysqladmin ping -h localhost'],
  ['nginx -p 80'],
  ['mysql -u root; nginx -p80'],
  ['docker run -p 80:80 x'],
  ['docker login -u x -p S3 registry', 'docker login -u x -p *** registry'],
  ['docker login -u x --password-stdin registry'],
  ['mongosh -u a -p S3', 'mongosh -u a -p ***'],
  ['sshpass -p S3 ssh host', 'sshpass -p *** ssh host'],
  ['redis-cli -a S3 ping', 'redis-cli -a *** ping'],
  ['curl -u user:S3 http://h', 'curl -u user:*** http://h'],
  ["curl -sSu 'user:S 3' http://h", "curl -sSu 'user:***' http://h"],
  ['curl --user=user:S3 http://h', 'curl --user=user:*** http://h'],
  ['curl -u user http://h'],
  ['sh -c TOKEN=S3 run --x', 'sh -c TOKEN=*** run --x'],
  ["sh -c 'TOKEN=S3 run'", "sh -c 'TOKEN=***'"],
  ['sh -c "mysql --password=S3" x', 'sh -c "mysql --password=***" x'],
  ['env MYSQL_ROOT_PASSWORD="a b" GITHUB_TOKEN=c run', 'env MYSQL_ROOT_PASSWORD="***" GITHUB_TOKEN=*** run'],
  ["tool --password 'a b'c d", 'tool --password *** d'],
  ["tool --password pa'ss' x", 'tool --password *** x'],
  ['tool --password --verbose -u x'],
  ['tool --max-size 5 --tls-key /x.pem'],
  ["curl -H 'Authorization: Bearer S3' http://h", "curl -H 'Authorization: Bearer ***' http://h"],
  ['curl -H Authorization: Bearer S3 http://h', 'curl -H Authorization: Bearer *** http://h'],
  ['curl -H Authorization: Digest a="b", c="d"', 'curl -H Authorization: ***'],
  [`curl -H 'Authorization: Bearer '"S3" h`, `curl -H 'Authorization: Bearer ***' h`],
  ['curl -H "X-Api-Key: a b" h', 'curl -H "X-Api-Key: ***" h'],
  ['curl -b Cookie: a=b; c=d', 'curl -b Cookie: ***'],
  ['git clone https://user:S3@github.com/x', 'git clone https://user:***@github.com/x'],
  ['git clone https://S3@github.com/x', 'git clone https://***@github.com/x'],
  ['git clone ssh://git@github.com/x'],
  ['psql postgres://u:p/a@s@host/db', 'psql postgres://u:***@host/db'],
  ['wget http://auth:4181/x@y'],
  ['docker pull my/auth:2.0'],
  ['echo {"password":"x","user":"y"}', 'echo {"password":"***","user":"y"}'],
  ['echo {\\"token\\":\\"x\\",\\"a\\":1}', 'echo {\\"token\\":\\"***\\",\\"a\\":1}'],
  ['["mysql","--password","x y","-u"]', '["mysql","--password","***","-u"]'],
  ["ALTER USER x IDENTIFIED BY 'a b'", "ALTER USER x IDENTIFIED BY '***'"],
  ["CREATE ROLE x PASSWORD 'S3'", "CREATE ROLE x PASSWORD '***'"],
  ['password = S3', 'password = ***'],
  ['PASSWORD= run'],
  ['PASSWORD=""'],
  ['PASSWORD_FILE=/run/secrets/db SECRET_NAME=db'],
  ['PWD=/root OLDPWD=/ run'],
  ['AUTH=true TOKEN=false'],
  ['cat /run/secrets/password'],
  ['/bin/sh -c exit 3'],
];

const scans = (text: string, isCommand: boolean): boolean => {
  const bytes = utf8(text);
  if (!isCommand) return scan.findsInText(bytes, 0, bytes.length);
  // Wherever in its words it stands.
  return [0, 1, 2, 3].every((from) => {
    const memory = new EventView(new ArrayBuffer((from + bytes.length + 3) & ~3));
    memory.bytes.set(bytes, from);
    return scan.findsInCommand(memory, from, from + bytes.length);
  });
};

/** Pieces of which many together mean something. */
const anyPieces = fc
  .array(
    fc.oneof(
      fc.constantFrom(...Array.from('"\'\\ =:,;@/|&()[]{}-\n\té😀')),
      fc.constantFrom(
        'password',
        'TOKEN',
        'auth',
        'Authorization: ',
        'Bearer ',
        '://',
        'curl -u ',
        'mysql ',
        '-p',
        '***',
      ),
      fc.stringMatching(/^[ -~]{0,6}$/),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => pieces.join(''));

describe('redactText', () => {
  it('hides what is known to be secret in a command, and nothing else', () => {
    for (const [command, shown = command] of COMMANDS) assert.equal(redactText(command, NAMES, true), shown);
  });

  it('knows short options in commands alone', () => {
    assert.equal(redactText('curl -u user:S3', NAMES, false), 'curl -u user:S3');
  });

  it('shows no secret in any form that it knows', () => {
    fc.assert(
      fc.property(plantedCommand, ({ text }) => !redactText(text, NAMES, true).includes(SECRET_MARK)),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(plantedText, ({ text }) => !redactText(text, NAMES, false).includes(SECRET_MARK)));
  });

  it('hides the same secrets wherever in a longer text they stand', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z ]{0,20}$/),
        plantedCommand,
        fc.stringMatching(/^[a-z ]{0,20}$/),
        (before, { text }, behind) => !redactText(`${before} ${text} ${behind}`, NAMES, true).includes(SECRET_MARK),
      ),
    );
  });

  it('changes nothing when done again, and makes nothing much longer', () => {
    fc.assert(
      fc.property(fc.oneof(anyPieces, fc.string({ unit: 'binary' })), fc.boolean(), (text, isCommand) => {
        const shown = redactText(text, NAMES, isCommand);
        assert.equal(redactText(shown, NAMES, isCommand), shown);
        assert.ok(shown.length <= text.length * 2 + 3);
        assert.ok(!/\p{Cs}/u.test(shown) || /\p{Cs}/u.test(text), 'half a character');
      }),
      { numRuns: 5000 },
    );
  });

  it('finds nothing in texts that the scan does not suspect', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyPieces,
          plantedCommand.map(({ text }) => text),
        ),
        fc.boolean(),
        (text, isCommand) => redactText(text, NAMES, isCommand) === text || scans(text, isCommand),
      ),
      { numRuns: 5000 },
    );
    for (const [command, shown = command] of COMMANDS)
      for (const before of ['', 'x'])
        for (const behind of ['', 'y'])
          if (shown !== command) assert.ok(scans(`${before} ${command} ${behind}`, true), command);
  });

  it('takes 64 KiB of anything in its stride', () => {
    for (const piece of [
      '"',
      "'",
      '\\',
      'password ',
      'password="',
      "x'=password'",
      'a://b:c',
      '-p ',
      '://',
      ' ',
      'TOKEN=a"',
    ]) {
      const text = piece.repeat(Math.floor(65_536 / piece.length));
      assert.ok(redactText(`curl ${text}`, NAMES, true).length < 3 * 65_536);
    }
  });
});

describe('secret names', () => {
  it('may have words of the operator’s, in any case and wherever they stand', () => {
    const names = new SecretNames(parseSecretWords(['PIN', 'sap_code']));
    const own = new SecretScan(parseSecretWords(['PIN', 'sap_code']));
    for (const text of ['door --pin 1234', 'DOOR_PIN=1234', 'x sap_code=1234 y', '"userPin": "1234"']) {
      const bytes = utf8(text);
      assert.ok(!redactText(text, names, true).includes('1234'), text);
      assert.ok(own.findsInText(bytes, 0, bytes.length), text);
      assert.equal(redactText(text, NAMES, true), text);
    }
  });

  it('are refused when they are no words', () => {
    for (const word of ['', 'ab', 'a b c', 'é'.repeat(3), 'x'.repeat(65), '.*+'])
      assert.throws(() => parseSecretWords([word]), { code: 'ERR_OPTION_INVALID' }, word);
    assert.throws(() => parseSecretWords(Array.from({ length: 101 }, () => 'word')), { code: 'ERR_OPTION_INVALID' });
  });
});
