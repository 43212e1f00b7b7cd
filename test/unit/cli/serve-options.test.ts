import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Flags, serveOptions, type ServeOptions, tomlOf } from '../../../src/cli/serve-options.ts';
import { keyOf, OPTION_NAMES, OPTION_TABLE, type OptionName, type OptionValue } from '../../../src/event/options.ts';
import { temporaryFolder } from '../../support/daemon.ts';

/** For each kind of option some values that it may have. */
const VALUES: { readonly [Name in OptionName]?: readonly OptionValue[] } = {
  fifo: ['/run/a fifo', '/run/\x7f\n"\\'],
  listen: [['/run/a.sock', 'unix:///run/b.sock?types=image&mode=0600'], ['/run/"c".sock']],
  admin: [['/run/admin.sock', 'unix:///run/p.sock?publish=gid:0']],
  metrics: ['127.0.0.1:9464', '[::1]:0'],
  eventLog: ['/var/log/events.log'],
  source: [['docker=unix:///var/run/docker.sock', 'far=unix:///run/far.sock']],
  fanouts: [3],
  threads: ['inline'],
  history: ['/var/lib/history'],
  durability: ['sync', 'memory'],
  historyEvents: [1_000_000],
  historyBytes: [64 * 1024 * 1024],
  historyAge: [3_600_000, 1],
  memoryBytes: [1024 * 1024],
  maxDelay: [7],
  maxClients: [5],
  maxReplays: [6],
  maxConnections: [7],
  maxConnectionsPerUser: [8],
  maxAdminConnections: [9],
  maxRequests: [10],
  maxStreams: [11],
  maxLagBytes: [123_456],
  drainTimeout: [250],
  maxRestarts: [3],
  unknownContainers: ['drop'],
  isuladReplay: [0],
  redact: [false],
  redactNames: [['pin', 'sap_']],
};
const NAMES = OPTION_NAMES.filter((name) => name !== 'root');

describe('what a daemon is started with', () => {
  const folder = temporaryFolder();
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const warnings: string[] = [];
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    return file;
  };
  const read = (flags: Flags = {}, env: Readonly<Record<string, string>> = {}): ServeOptions => {
    warnings.length = 0;
    return serveOptions({ root: folder, ...flags }, (message) => warnings.push(message), { uid: 1000, env });
  };
  const refused = (file: string, text: string, says: RegExp): void => {
    const where = write(file, text);
    assert.throws(
      () => read(),
      (error: { code?: string; message: string }) => {
        assert.equal(error.code, 'ERR_CONFIG_INVALID');
        assert.ok(error.message.startsWith(where), error.message);
        assert.match(error.message, says);
        return true;
      },
    );
    fs.rmSync(where);
  };

  it('can be said in a file, whatever it is, as it is printed', () => {
    for (const name of NAMES) {
      for (const value of VALUES[name] ?? assert.fail(`no values for ${name}`)) {
        const file = write('config.toml', `${keyOf(name)} = ${tomlOf(name, value)}\n`);
        const { options, where } = read();
        assert.deepEqual(options[name], value);
        assert.deepEqual(
          [...where],
          [
            ['root', '--root'],
            [name, file],
          ].toSorted(([a], [b]) => Number(a === 'root') - Number(b === 'root')),
        );
      }
    }
  });

  it('is printed as it is where a path has blanks', () => {
    write('config.toml', `listen = ${tomlOf('listen', '/run/a b/tocsin.sock')}\n`);
    assert.deepEqual(read().options.listen, ['/run/a b/tocsin.sock']);
  });

  it('can be said in the environment, lists with blanks between', () => {
    const cases: readonly (readonly [string, string, OptionName, OptionValue])[] = [
      ['TOCSIN_HISTORY_BYTES', '2GiB', 'historyBytes', 2 * 1024 ** 3],
      ['TOCSIN_DRAIN_TIMEOUT', '1m30s', 'drainTimeout', 90_000],
      ['TOCSIN_REDACT', 'false', 'redact', false],
      ['TOCSIN_LISTEN', '/a.sock  unix:///b.sock?types=image', 'listen', ['/a.sock', 'unix:///b.sock?types=image']],
      ['TOCSIN_REDACT_NAMES', 'pin,sap_', 'redactNames', ['pin', 'sap_']],
      ['TOCSIN_SOURCE', 'd=unix:///d.sock', 'source', ['d=unix:///d.sock']],
    ];
    for (const [variable, text, name, value] of cases) {
      const { options, where } = read({}, { [variable]: text });
      assert.deepEqual([options[name], where.get(name)], [value, variable]);
    }
    assert.throws(
      () => read({}, { TOCSIN_REDACT: 'no' }),
      /^TocsinError: TOCSIN_REDACT: redact: expected true or false, got "no"/,
    );
    assert.throws(() => read({}, { TOCSIN_FANOUTS: '99' }), { code: 'ERR_CONFIG_INVALID' });
  });

  it('is what a flag says, else the environment, else conf.d in the order of its names, else the file', () => {
    write('config.toml', 'max-clients = 1\nmax-replays = 1\nfanouts = 1\nisulad-replay = 1\nmemory-bytes = "1MiB"\n');
    write('conf.d/20-b.toml', 'max-clients = 3\nmax-replays = 3\nfanouts = 3\n');
    write('conf.d/10-a.toml', 'max-clients = 2\nmax-replays = 2\nfanouts = 2\nisulad-replay = 2\n');
    write('conf.d/notes.txt', 'no = "toml"');
    const { options, where, files } = read({ maxClients: '5' }, { TOCSIN_MAX_CLIENTS: '4', TOCSIN_MAX_REPLAYS: '4' });
    const { maxClients, maxReplays, fanouts, isuladReplay, memoryBytes, maxDelay } = options;
    assert.deepEqual(
      [maxClients, maxReplays, fanouts, isuladReplay, memoryBytes, maxDelay],
      [5, 4, 3, 2, 1024 ** 2, 1],
    );
    assert.deepEqual(
      (['maxClients', 'maxReplays', 'fanouts', 'isuladReplay', 'memoryBytes', 'maxDelay'] as const).map((name) => {
        const said = where.get(name);
        return said?.startsWith('/') ? path.relative(folder, said) : said;
      }),
      ['--max-clients', 'TOCSIN_MAX_REPLAYS', 'conf.d/20-b.toml', 'conf.d/10-a.toml', 'config.toml', undefined],
    );
    assert.deepEqual(
      files.map((file) => path.relative(folder, file)),
      ['config.toml', 'conf.d/10-a.toml', 'conf.d/20-b.toml'],
    );
  });

  it('is by default where nothing says anything, in the folders of who asks', () => {
    assert.deepEqual(read().files, []);
    const home = write('home/.config/tocsin/config.toml', 'fanouts = 7');
    const of = (env: Readonly<Record<string, string>>): ServeOptions => serveOptions({}, () => {}, { uid: 1000, env });
    assert.deepEqual(of({ HOME: path.join(folder, 'home') }).files, [home]);
    const xdg = write('xdg/tocsin/config.toml', 'fanouts = 8');
    assert.deepEqual(of({ HOME: path.join(folder, 'home'), XDG_CONFIG_HOME: path.join(folder, 'xdg') }).files, [xdg]);
    assert.deepEqual(read({ config: xdg }).options.fanouts, 8);
    assert.equal(of({ TOCSIN_ROOT: folder }).options.history, path.join(folder, 'history'));
  });

  it('is refused with file and place, and with what was meant', () => {
    refused('config.toml', 'histroy-bytes = "1GiB"', /unknown key "histroy-bytes"; did you mean history-bytes\?/);
    refused('config.toml', 'nothing-like-it = 1', /unknown key "nothing-like-it"$/);
    refused('config.toml', 'root = "/x"', /unknown key "root"/);
    refused('config.toml', '[limits]\nmax-clients = 1', /unknown key "limits"/);
    refused('config.toml', 'fanouts = 1\nfanouts = 2', /:2:\d+: no TOML/);
    refused('conf.d/a.toml', 'fanouts = ', /:1:\d+: no TOML/);
    refused('config.toml', 'fanouts = 99', /fanouts: expected/);
    refused('config.toml', 'fanouts = 1.5', /fanouts: expected/);
    refused('config.toml', 'fanouts = true', /fanouts: expected a count, as a text, got true/);
    refused('config.toml', 'history-age = 5', /history-age: expected a duration, as a text, got 5/);
    refused('config.toml', 'redact = "yes"', /redact: expected true or false/);
    refused('config.toml', 'listen = [1]', /listen: expected a list of texts/);
    refused('config.toml', 'metrics = "0.0.0.0:80"', /expected an address of this machine alone/);
    refused('config.toml', 'listen = "/x?types=image"', /listen/);
    assert.throws(() => read({ config: path.join(folder, 'none.toml') }), /none\.toml: there is no such file/);
    fs.mkdirSync(path.join(folder, 'config.toml'), { recursive: true });
    assert.throws(() => read(), /config\.toml: cannot be read/);
  });

  it('warns of a variable that looks misspelt, and of no other', () => {
    read({}, { TOCSIN_HISTROY_AGE: '1h', TOCSIN_HOST: 'unix:///x', TOCSIN_SOMETHING_ELSE: '1', PATH: '/' });
    assert.deepEqual(warnings, ['TOCSIN_HISTROY_AGE is no option; did you mean TOCSIN_HISTORY_AGE?']);
  });

  it('does not stumble over any file', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z-]{1,12} = ["\d[\]{}a-z,.]{0,12}$/)), (text) => {
        write('config.toml', text);
        try {
          read();
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_CONFIG_INVALID', String(error));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has every kind of option in this test', () => {
    const kinds = new Set(NAMES.filter((name) => VALUES[name]).map((name) => OPTION_TABLE[name].kind));
    assert.deepEqual(kinds, new Set(NAMES.map((name) => OPTION_TABLE[name].kind)));
  });
});
