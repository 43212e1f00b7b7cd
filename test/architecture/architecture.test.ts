import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ACTORS,
  actors,
  ambientNames,
  homes,
  LAYERS,
  layers,
  literalImports,
  localImports,
  pureImports,
  type Rule,
  types,
} from './rules.ts';
import { importsOf, makeSource, projectRoot, readSources } from './source.ts';

const SOURCES = readSources(projectRoot(), 'src');

/** One file that breaks the rule, or (without `says`) one that looks like it but does not. */
interface Planted {
  readonly path: string;
  readonly text: string;
  readonly says?: RegExp;
}

function checkRule(rule: Rule, planted: readonly Planted[]): void {
  it('holds in src', () => {
    assert.deepEqual(SOURCES.flatMap(rule), []);
  });
  for (const { path, text, says } of planted) {
    it(`${says ? 'finds' : 'allows'} ${JSON.stringify(text)} in ${path}`, () => {
      const violations = rule(makeSource(path, text));
      assert.equal(violations.length, says ? 1 : 0, violations.join('\n'));
      if (says) assert.match(violations[0]!, new RegExp(`^${path.replaceAll('.', '\\.')}:\\d+: [a-z-]+: `));
      if (says) assert.match(violations[0]!, says);
    });
  }
}

describe('what the rules look at', () => {
  it('is the whole of src: every layer has files, and they import one another', () => {
    for (const layer of LAYERS)
      assert.ok(
        SOURCES.some(({ path }) => path.startsWith(`src/${layer}/`)),
        layer,
      );
    const paths = new Set(SOURCES.map(({ path }) => path));
    const imports = SOURCES.flatMap((source) => localImports(source).map(({ target }) => target));
    assert.ok(imports.length > 100, `${imports.length} imports`);
    assert.deepEqual(
      imports.filter((target) => !paths.has(target)),
      [],
    );
  });

  it('has every actor that the rules name', () => {
    const paths = SOURCES.map(({ path }) => path);
    for (const actor of ACTORS) assert.ok(paths.includes(`src/actors/${actor}.ts`), actor);
  });
});

describe('reading imports', () => {
  const specifiers = (text: string): (string | undefined)[] =>
    importsOf(makeSource('src/x.ts', text)).map(({ specifier }) => specifier);

  it('sees every form of import and export', () => {
    assert.deepEqual(specifiers("import a from './a.ts';"), ['./a.ts']);
    assert.deepEqual(specifiers('import type { A,\n  B } from \'./a.ts\';\nimport * as c from "c";'), ['./a.ts', 'c']);
    assert.deepEqual(specifiers("import './a.ts';"), ['./a.ts']);
    assert.deepEqual(specifiers("export * from './a.ts'; export type { B } from './b.ts';"), ['./a.ts', './b.ts']);
    assert.deepEqual(specifiers("const a = (await import('./a.ts')).a; type B = import('./b.ts').B;"), [
      './a.ts',
      './b.ts',
    ]);
    assert.deepEqual(specifiers('import(`./a.ts`); import(name);'), ['./a.ts', undefined]);
  });

  it('sees none in comments, strings, templates and regular expressions', () => {
    assert.deepEqual(specifiers("// import './a.ts';\n/* import './b.ts' */"), []);
    assert.deepEqual(specifiers("const text = \"import './a.ts'\"; const more = `import './b.ts'`;"), []);
    assert.deepEqual(specifiers('const url = import.meta.url; Buffer.from("x");'), []);
  });

  it('finds its way out of templates, regular expressions and divisions', () => {
    assert.deepEqual(specifiers("const a = `${`${{ a: '}' }}`}'`; import './a.ts';"), ['./a.ts']);
    assert.deepEqual(specifiers("const a = /[/'\"`]/.test(b) ? c / 2 : d! / 3; import './a.ts';"), ['./a.ts']);
    assert.deepEqual(specifiers("return /'/; import './a.ts';"), ['./a.ts']);
  });
});

describe('layers: arrows point one way', () => {
  checkRule(layers, [
    { path: 'src/event/x.ts', text: "import { a } from '../messages/a.ts';", says: /event must not import messages/ },
    {
      path: 'src/messages/x.ts',
      text: "import type { A } from '../codec/a.ts';",
      says: /messages must not import codec/,
    },
    { path: 'src/codec/x.ts', text: "export * from '../history/a.ts';", says: /codec must not import history/ },
    { path: 'src/history/x.ts', text: "import '../actors/a.ts';", says: /history must not import actors/ },
    { path: 'src/actors/x.ts', text: "type A = import('../runtime/a.ts').A;", says: /actors must not import runtime/ },
    { path: 'src/runtime/x.ts', text: "await import('../doors/a.ts');", says: /runtime must not import doors/ },
    { path: 'src/doors/deep/x.ts', text: "import '../../cli/a.ts';", says: /doors must not import cli/ },
    { path: 'src/client/x.ts', text: "import '../messages/a.ts';", says: /client must not import messages/ },
    {
      path: 'src/client/x.ts',
      text: "import type { A } from '../runtime/a.ts';",
      says: /client must not import runtime/,
    },
    { path: 'src/client/x.ts', text: "import '../doors/a.ts';", says: /client must not import doors/ },
    { path: 'src/client/x.ts', text: "import '../cli/a.ts';", says: /client must not import cli/ },
    { path: 'src/client/x.ts', text: "import '../index.ts';", says: /client must not import the root/ },
    { path: 'src/doors/x.ts', text: "import '../client/a.ts';", says: /doors must not import client/ },
    { path: 'src/cli/x.ts', text: "import '../index.ts';", says: /must not import the root src\/index\.ts/ },
    { path: 'src/cli/x.ts', text: "import '../create-pipeline.ts';", says: /must not import the root/ },
    { path: 'src/cli/x.ts', text: "import '../../bench/a.ts';", says: /bench\/a\.ts is in no known folder/ },
    { path: 'src/common/x.ts', text: "import '../event/a.ts';", says: /src\/common\/x\.ts is in no known folder/ },
    { path: 'src/client/x.ts', text: "import '../event/a.ts'; import './b.ts';" },
    { path: 'src/cli/x.ts', text: "import '../client/a.ts';" },
    { path: 'src/cli/serve.ts', text: "import '../create-pipeline.ts';" },
    { path: 'src/index.ts', text: "import './create-pipeline.ts'; import './cli/a.ts';" },
    { path: 'src/messages/x.ts', text: "import '../event/a.ts'; import './b.ts';" },
  ]);
});

describe('literal imports: nothing is imported unseen', () => {
  checkRule(literalImports, [
    { path: 'src/doors/x.ts', text: 'await import(name);', says: /needs a literal/ },
    { path: 'src/doors/x.ts', text: "await import('./a.ts');" },
  ]);
});

describe('pure imports: domain, codecs, history and actors import nothing of Node', () => {
  checkRule(pureImports, [
    { path: 'src/event/x.ts', text: "import fs from 'node:fs';", says: /event must not import node:fs/ },
    { path: 'src/messages/x.ts', text: "import type net from 'node:net';", says: /messages must not import node:net/ },
    { path: 'src/codec/x.ts', text: "import { Buffer } from 'buffer';", says: /codec must not import buffer/ },
    { path: 'src/history/x.ts', text: "await import('node:fs/promises');", says: /history must not import/ },
    { path: 'src/actors/x.ts', text: "export * from 'node:timers';", says: /actors must not import/ },
    { path: 'src/doors/x.ts', text: "import fs from 'node:fs';" },
  ]);
});

describe('ambient names: clock, timers and randomness are handed in', () => {
  const name = (text: string, says: RegExp): Planted => ({ path: 'src/actors/x.ts', text, says });
  checkRule(ambientNames, [
    name('const at = Date.now();', /must not use Date\.now/),
    name('const at = new Date();', /must not use new Date/),
    name('const at = new Date;', /must not use new Date/),
    name('const text = Date();', /must not use Date\(/),
    name('performance.now();', /performance/),
    name('setTimeout(() => {}, 1);', /setTimeout/),
    name('setInterval(tick, 1);', /setInterval/),
    name('setImmediate(tick);', /setImmediate/),
    name('queueMicrotask(tick);', /queueMicrotask/),
    name('const roll = Math.random();', /Math\.random/),
    name('crypto.randomUUID();', /crypto/),
    name('const { pid } = process;', /process/),
    name("await fetch('/');", /fetch/),
    name('globalThis.x = 1;', /globalThis/),
    name('console.log(`${1}`);', /console/),
    name('const text = `${process.pid}`;', /process/),
    { path: 'src/history/x.ts', text: 'const at = Date.now();', says: /history must not use/ },
    { path: 'src/event/time.ts', text: 'const at = Date.now();', says: /Date\.now/ },
    { path: 'src/event/time.ts', text: 'const at = Date.UTC(1970, 0, 1) + new Date(x).getTime();' },
    { path: 'src/codec/x.ts', text: 'const at = new Date(sec * 1000);' },
    { path: 'src/actors/x.ts', text: "// Date.now() and process\nconst word = 'setTimeout'; this.process();" },
    { path: 'src/runtime/x.ts', text: 'const at = Date.now();' },
  ]);
});

describe('actors: none imports another', () => {
  const body = 'class X {\n  receive() {}\n}';
  checkRule(actors, [
    {
      path: 'src/actors/fanout.ts',
      text: `import { C } from './collector.ts';${body}`,
      says: /must not import the actor collector/,
    },
    {
      path: 'src/actors/buffer.ts',
      text: `import type { F } from './fanout.ts';${body}`,
      says: /must not import the actor fanout/,
    },
    {
      path: 'src/actors/lane.ts',
      text: "import { Fanout } from './fanout.ts';",
      says: /lane must not import the actor fanout/,
    },
    { path: 'src/actors/janitor.ts', text: body, says: /receives messages but is not listed as an actor/ },
    { path: 'src/actors/fanout.ts', text: '', says: /an actor without receive\(\)/ },
    { path: 'src/actors/fanout.ts', text: `import { Lane } from './lane.ts';${body}` },
    { path: 'src/runtime/x.ts', text: "import { Fanout } from '../actors/fanout.ts';" },
  ]);
});

describe('homes: threads, sockets and packages have one place each', () => {
  checkRule(homes, [
    {
      path: 'src/doors/x.ts',
      text: "import { Worker } from 'node:worker_threads';",
      says: /belongs in src\/runtime\//,
    },
    {
      path: 'src/runtime/x.ts',
      text: "import net from 'node:net';",
      says: /node:net belongs in src\/doors\/ or src\/cli\//,
    },
    { path: 'src/main.ts', text: "import http from 'node:http';", says: /node:http belongs/ },
    { path: 'src/runtime/x.ts', text: "await import('node:http2');", says: /node:http2 belongs/ },
    { path: 'src/doors/fifo.ts', text: "import koffi from 'koffi';", says: /koffi belongs in src\/doors\/posix\.ts/ },
    { path: 'src/runtime/pipeline.ts', text: "import * as Comlink from 'comlink';", says: /comlink belongs/ },
    { path: 'src/actors/matcher.ts', text: "import { RE2JS } from 're2js';", says: /re2js belongs/ },
    { path: 'src/cli/x.ts', text: "import chalk from 'chalk';", says: /the package chalk has no home/ },
    { path: 'src/cli/x.ts', text: "import fs from 'fs';", says: /write node:fs/ },
    {
      path: 'src/client/x.ts',
      text: "import { Worker } from 'node:worker_threads';",
      says: /belongs in src\/runtime\//,
    },
    { path: 'src/client/x.ts', text: "import http from 'node:http';" },
    { path: 'src/event/filter.ts', text: "await import('re2js');" },
    { path: 'src/runtime/x.ts', text: "import { Worker } from 'node:worker_threads';" },
  ]);
});

describe('types: nothing is hidden from the compiler', () => {
  checkRule(types, [
    { path: 'src/event/x.ts', text: 'function f(x: any) {}', says: /types: any/ },
    { path: 'src/event/x.ts', text: 'const x = y as any;', says: /types: any/ },
    { path: 'src/event/x.ts', text: 'const x: Record<string, any[]> = {};', says: /types: any/ },
    { path: 'src/event/x.ts', text: 'export const enum Colour { Red }', says: /types: enum/ },
    { path: 'src/event/x.ts', text: 'const x = 1; // @ts-ignore', says: /types: @ts-ignore/ },
    { path: 'src/event/x.ts', text: '/* @ts-nocheck */', says: /types: @ts-nocheck/ },
    {
      path: 'src/event/x.ts',
      text: "// any\nconst text = 'any enum Colour @ts-ignore'; Promise.any([]); many.enumerate();",
    },
  ]);
});
