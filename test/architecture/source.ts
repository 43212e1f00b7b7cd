import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** One source file as text, with what the rules need to look at it. */
export interface Source {
  /** Relative to the project, with slashes: `src/actors/lane.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments, strings, template texts and regular expressions blanked; offsets and lines stay. */
  readonly code: string;
  /** The text with everything but comments blanked. */
  readonly comments: string;
}

/** What a file imports or re-exports, types included. `specifier` is undefined when an `import()` is not a literal. */
export interface Import {
  readonly specifier: string | undefined;
  readonly line: number;
}

/** Splits a text into code and comments. */
export function makeSource(file: string, text: string): Source {
  return { path: file, text, ...separate(text) };
}

/** The project's folder: the nearest one above this file with a package.json. */
export function projectRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('no package.json above the tests');
    folder = parent;
  }
  return folder;
}

/** Every TypeScript file below a folder of the project, in order of path. */
export function readSources(root: string, folder: string): Source[] {
  const files = fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.posix.join(folder, ...name.split(path.sep)))
    .sort()
    .map((file) => makeSource(file, fs.readFileSync(path.join(root, file), 'utf8')));
}

export function lineOf(source: Source, offset: number): number {
  return source.text.slice(0, offset).split('\n').length;
}

const IMPORT = /\b(?:import|export)\b[^;'"`]*?\bfrom\s*(?=['"])|\bimport\s*(?=['"])|\bimport\s*\(\s*/g;
const LITERAL = /^(['"`])((?:(?!\1).)*)\1/;

export function importsOf(source: Source): Import[] {
  return [...source.code.matchAll(IMPORT)].map((match) => {
    const at = match.index + match[0].length;
    return { specifier: LITERAL.exec(source.text.slice(at))?.[2], line: lineOf(source, at) };
  });
}

/** What a slash begins after one of these words is a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)$/;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const STRING = /'(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*"/y;
const COMMENT = /\/\/[^\n]*|\/\*[^]*?\*\//y;

/** A scanner for the few tokens that may hold any text. */
function separate(text: string): { readonly code: string; readonly comments: string } {
  const code: string[] = [];
  const comments: string[] = [];
  /** Open braces per nested template: a closing one at depth 0 goes back to the template's text. */
  const templates: number[] = [];
  let at = 0;
  const blank = (end: number): string => text.slice(at, end).replaceAll(/[^\n]/g, ' ');
  const emit = (end: number, kind: 'code' | 'comment' | 'text'): void => {
    code.push(kind === 'code' ? text.slice(at, end) : blank(end));
    comments.push(kind === 'comment' ? text.slice(at, end) : blank(end));
    at = end;
  };
  const matches = (token: RegExp): number => {
    token.lastIndex = at;
    return token.test(text) ? token.lastIndex : -1;
  };
  /** Text of a template up to its end or its next substitution. */
  const template = (): void => {
    let end = at;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1;
    emit(end, 'text');
    if (text[at] !== '`') templates.push(0);
    emit(Math.min(text.length, text[at] === '`' ? at + 1 : at + 2), 'code');
  };
  while (at < text.length) {
    const char = text[at]!;
    const comment = char === '/' ? matches(COMMENT) : -1;
    const string = char === "'" || char === '"' ? matches(STRING) : -1;
    const regex = char === '/' && comment < 0 && mayBeRegex(code.join('').slice(-80)) ? matches(REGEX) : -1;
    const depth = templates.at(-1);
    if (comment > 0) emit(comment, 'comment');
    else if (regex > 0) emit(regex, 'text');
    else if (string > 0) {
      emit(at + 1, 'code');
      emit(string - 1, 'text');
      emit(string, 'code');
    } else if (char === '`') {
      emit(at + 1, 'code');
      template();
    } else if (char === '}' && depth === 0) {
      templates.pop();
      emit(at + 1, 'code');
      template();
    } else {
      if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === '}') templates[templates.length - 1] = depth - 1;
      emit(at + 1, 'code');
    }
  }
  return { code: code.join(''), comments: comments.join('') };
}

function mayBeRegex(before: string): boolean {
  const trimmed = before.trimEnd();
  // A value ends here: what follows divides it. `x!` is a value too.
  if (/[\w$)\]}'"`]!?$/.test(trimmed)) return BEFORE_REGEX.test(trimmed);
  return true;
}
