import { TocsinError } from './errors.ts';
import { ACCOUNTS, type Principal, type Principals } from './principal.ts';

/** A unix socket's file: where it is, and who may connect to it at all. */
export interface SocketFile {
  readonly path: string;
  readonly mode: number;
  /** Name or number of the file's owner and group; undefined = as the process makes files. */
  readonly owner?: string;
  readonly group?: string;
}

/** What every socket may say of its file. */
export const FILE_PARAMETERS = ['mode', 'owner', 'group'] as const;

const MAX_SOCKETS = 16;
const ADDRESS = /^unix:\/\/(\/[^?]*)(?:\?(.*))?$/s;
const OTHER_SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;
const MODE = /^0?[0-7]{3}$/;
/** As of files in `/etc/group`; a number is one, too. */
const ACCOUNT = /^[^:\s]+$/;

/**
 * An option that names sockets: a path, or `unix:///path?parameter=value&...`. Path and values are percent-encoded, as in a URL.
 * Every error is ERR_OPTION_INVALID and begins with the option's name.
 */
export class SocketOption<Parameter extends string> {
  readonly #name: string;
  readonly #parameters: readonly Parameter[];
  readonly #repeated: ReadonlySet<Parameter>;
  readonly #written: string;

  /**
   * @param repeated may be given more than once; all others are given once
   * @param written what else it can be besides a path
   */
  constructor(
    name: string,
    parameters: readonly Parameter[],
    repeated: ReadonlySet<Parameter>,
    written = 'unix:///path/to.sock?mode=0660',
  ) {
    this.#name = name;
    this.#written = `a path or ${written}`;
    this.#parameters = parameters;
    this.#repeated = repeated;
  }

  /**
   * One or many; none for an empty path.
   * @param placeOf what no two may have
   * @throws also for more than 16
   */
  all<Address>(
    given: string | readonly string[],
    parse: (text: string) => Address,
    placeOf: (address: Address) => string,
  ): readonly Address[] {
    const texts = (typeof given === 'string' ? [given] : given).filter((text) => text !== '');
    if (texts.length > MAX_SOCKETS) throw this.invalid(`at most ${MAX_SOCKETS} sockets`, String(texts.length));
    const addresses = texts.map(parse);
    const places = new Set<string>();
    for (const place of addresses.map(placeOf)) {
      if (places.has(place)) throw this.invalid('each place once', place);
      places.add(place);
    }
    return addresses;
  }

  split(text: string): { readonly path: string; readonly given: ReadonlyMap<Parameter, readonly string[]> } {
    const [, encoded, query = ''] = ADDRESS.exec(text) ?? [];
    // Without the scheme parameters would be a part of the file's name, and limit nothing.
    if (encoded === undefined && (text === '' || OTHER_SCHEME.test(text) || text.includes('?')))
      throw this.invalid(this.#written, text);
    const path = encoded === undefined ? text : this.#decode(encoded, encoded);
    if (path.includes('\0')) throw this.invalid('a path without NUL', path);
    return { path, given: this.parameters(query) };
  }

  file(path: string, given: ReadonlyMap<string, readonly string[]>, defaultMode: number): SocketFile {
    const [mode] = given.get('mode') ?? [];
    const [owner] = given.get('owner') ?? [];
    const [group] = given.get('group') ?? [];
    return {
      path,
      mode: mode === undefined ? defaultMode : this.#mode(mode),
      ...(owner === undefined ? {} : { owner: this.#account('owner', owner) }),
      ...(group === undefined ? {} : { group: this.#account('group', group) }),
    };
  }

  /** Lists of peers with a comma between each two; undefined when there is none. */
  principals(
    parameter: string,
    texts: readonly string[] | undefined,
    grammar: Principals = ACCOUNTS,
  ): readonly Principal[] | undefined {
    return texts
      ?.flatMap((list) => list.split(','))
      .map((text) => {
        const principal = grammar.parse(text);
        if (!principal) throw this.invalid(`${parameter} as ${grammar.written}`, text);
        return principal;
      });
  }

  invalid(expected: string, got: string): TocsinError {
    return new TocsinError('ERR_OPTION_INVALID', `${this.#name}: expected ${expected}; got ${JSON.stringify(got)}`);
  }

  /** What stands behind the question mark. */
  parameters(query: string): ReadonlyMap<Parameter, readonly string[]> {
    const given = new Map<Parameter, string[]>();
    if (query === '') return given;
    for (const pair of query.split('&')) {
      const equals = pair.indexOf('=');
      const key = equals < 0 ? pair : pair.slice(0, equals);
      const parameter = this.#parameters.find((known) => known === key);
      if (!parameter) throw this.invalid(`parameters out of ${this.#parameters.join(', ')}`, pair);
      // Nothing at all would be a value of its own, and is a variable that was not set.
      if (equals < 0 || equals === pair.length - 1) throw this.invalid(`a value of ${parameter}`, pair);
      const values = given.get(parameter) ?? [];
      if (values.length > 0 && !this.#repeated.has(parameter)) throw this.invalid(`${parameter} once`, query);
      values.push(this.#decode(pair.slice(equals + 1).replaceAll('+', ' '), pair));
      given.set(parameter, values);
    }
    return given;
  }

  #mode(text: string): number {
    if (!MODE.test(text)) throw this.invalid('a mode of three octal digits, as 0660', text);
    return Number.parseInt(text, 8);
  }

  #account(parameter: string, text: string): string {
    if (!ACCOUNT.test(text)) throw this.invalid(`${parameter} as a name or a number`, text);
    return text;
  }

  #decode(text: string, shown: string): string {
    try {
      return decodeURIComponent(text);
    } catch {
      throw this.invalid('percent-encoding, with %25 for a percent sign', shown);
    }
  }
}
