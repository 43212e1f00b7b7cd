import type { SecretKind, SecretNames } from '../event/secret-names.ts';

/** What stands in the place of a secret. */
export const HIDDEN = '***';

const NAME = /[A-Za-z0-9_.-]+/g;
/** Between commands of a shell. */
const NEXT_COMMAND = /[;|&\n]/;
const SEPARATORS = ['=>', ':=', '==', '=', ':'] as const;
/** Schemes with one word behind them. */
const SCHEME = /(?:apikey|basic|bearer|jwt|negotiate|token)[ \t]+/iy;
/** What follows an option instead of its value. */
const OTHER_OPTION = /-[A-Za-z](?=\s|$)|--[a-z][a-z0-9-]*(?=[=\s]|$)/y;
/** Schemes of URLs in which a lone user may be a token. */
const WEB = /^(?:https?|ftp)$/i;
const SWITCH = /^(?:true|false)$/i;
/** How far behind a quote is looked for what tells that it closes something. */
const CLOSING_CHARS = 6;
/** How far a slash in the password of a URL may be from its at sign. */
const URL_CHARS = 256;

/** Short options of a program that have a password, or `user:password`. */
interface Program {
  readonly is: RegExp;
  readonly flag: RegExp;
  /** `glued`: what stands behind a blank is something else. */
  readonly value: 'glued' | 'next' | 'user';
}

const PROGRAMS: readonly Program[] = [
  { is: /^(?:mysql|mariadb)[a-z-]*$/, flag: /^-p/, value: 'glued' },
  { is: /^mongo[a-z]*$/, flag: /^-p/, value: 'next' },
  { is: /^(?:sshpass|cqlsh|login)$/, flag: /^-p/, value: 'next' },
  { is: /^(?:redis|valkey)-cli$/, flag: /^-a/, value: 'next' },
  { is: /^ldap[a-z]+$/, flag: /^-w/, value: 'next' },
  { is: /^sqlcmd$/, flag: /^-P/, value: 'next' },
  { is: /^curl$/, flag: /^(?:--(?:proxy-)?user$|-[A-Za-z]*?[uU])/, value: 'user' },
];

/**
 * The text with *** in the place of each secret: values of names that are secret (`--password X`, `TOKEN=X`, `"secret": "X"`),
 * headers, passwords in URLs, SQL's `PASSWORD 'X'`. Where a value ends is a guess when an engine has left out the quotes; then it
 * ends with the word. When in doubt more is hidden. Done again it changes nothing. Time is linear in the text.
 * @param isCommand also passwords in short options of programs that are known for them
 */
export function redactText(text: string, names: SecretNames, isCommand: boolean): string {
  return new Redaction(text, names, isCommand).run();
}

class Redaction {
  readonly #text: string;
  readonly #names: SecretNames;
  readonly #isCommand: boolean;
  #out = '';
  /** Up to here the text is in `#out`. */
  #done = 0;
  #program: Program | undefined;
  /** Behind the name before. */
  #before = 0;
  #wasIdentified = false;

  constructor(text: string, names: SecretNames, isCommand: boolean) {
    this.#text = text;
    this.#names = names;
    this.#isCommand = isCommand;
  }

  run(): string {
    const text = this.#text;
    NAME.lastIndex = 0;
    for (let match = NAME.exec(text); match; match = NAME.exec(text)) {
      const [name] = match;
      const to = match.index + name.length;
      this.#before = Math.max(to, this.#look(name, match.index, to));
      NAME.lastIndex = this.#before;
    }
    return this.#done === 0 ? text : this.#out + text.slice(this.#done);
  }

  /** @returns up to where everything has been looked at */
  #look(name: string, from: number, to: number): number {
    const text = this.#text;
    if (text.startsWith('://', to)) return this.#url(name, to + 3);
    if (this.#isCommand) {
      const end = this.#command(name, from, to);
      if (end > 0) return end;
    }
    const low = name.length === 10 || name.length === 6 || name.length === 2 ? name.toLowerCase() : '';
    // SQL: IDENTIFIED BY 'X'.
    const isBy = this.#wasIdentified && low === 'by';
    this.#wasIdentified = low === 'identified';
    const isOption = name.startsWith('-');
    const kind = this.#names.kindOf(isOption ? name.replace(/^-+/, '') : name);
    if (kind === 'none') {
      const value = skipBlanks(text, to);
      if (value > to && (low === 'bearer' || (isBy && isQuote(text[value])))) return this.#word(value, false);
      return to;
    }
    return this.#named(kind, isOption, from, to);
  }

  #named(kind: SecretKind, isOption: boolean, from: number, to: number): number {
    const text = this.#text;
    let at = to;
    while (at < to + 4 && isCloser(text[at])) at += 1;
    const isQuoted = at > to;
    const afterName = at;
    at = skipBlanks(text, at);
    const separator = SEPARATORS.find((one) => text.startsWith(one, at));
    if (separator) {
      let value = at + separator.length;
      const isTight = value < text.length && !isBlank(text[value]);
      if (separator === ':' && kind === 'weak' && isTight && !isQuoted) return to;
      // An empty variable is followed by a command.
      if (separator !== '=' || at > afterName || isQuoted) value = skipBlanks(text, value);
      if (!isQuoted && isQuote(text[from - 1])) return this.#restOfQuote(kind, from, value);
      if (kind === 'header') return this.#header(value);
      return this.#word(value, isQuoted);
    }
    // A list of arguments, as JSON has it.
    if (isQuoted && text[at] === ',') at = skipBlanks(text, at + 1);
    if (at === to || at === text.length) return to;
    if (isOption) {
      OTHER_OPTION.lastIndex = at;
      return OTHER_OPTION.test(text) ? to : this.#word(at, isQuoted);
    }
    // SQL: PASSWORD 'X'.
    return !isQuoted && isQuote(text[at]) ? this.#word(at, false) : to;
  }

  /** @returns 0 when it is no option with a secret */
  #command(name: string, from: number, to: number): number {
    const text = this.#text;
    if (NEXT_COMMAND.test(text.slice(this.#before, from))) this.#program = undefined;
    if (!name.startsWith('-')) {
      const isWord = to === text.length || isBlank(text[to]) || isQuote(text[to]);
      if (isWord) this.#program = PROGRAMS.find(({ is }) => is.test(name)) ?? this.#program;
      return 0;
    }
    const [flag] = this.#program?.flag.exec(name) ?? [];
    if (flag === undefined || (from > 0 && !isBlank(text[from - 1]) && !isQuote(text[from - 1]))) return 0;
    let value = from + flag.length;
    const { value: kind } = this.#program!;
    if (value < text.length && !isBlank(text[value]) && !isQuote(text[value])) {
      if (text[value] === '=') value += 1;
    } else {
      if (kind === 'glued' && !(isQuote(text[value]) && !isQuote(text[from - 1]))) return 0;
      while (isQuote(text[value]) && isQuote(text[from - 1])) value += 1;
      value = skipBlanks(text, value);
      OTHER_OPTION.lastIndex = value;
      if (value === text.length || OTHER_OPTION.test(text)) return 0;
    }
    return kind === 'user' ? this.#user(value) : this.#word(value, false);
  }

  /** `user:password`, perhaps in quotes. */
  #user(from: number): number {
    const text = this.#text;
    const quoted = this.#quoted(from, false);
    const start = quoted?.isWhole ? quoted.start : from;
    const end = quoted?.isWhole ? quoted.to : this.#wordEnd(from);
    const user = /^([^:]*):/.exec(text.slice(start, end))?.[1];
    if (user === undefined) return end;
    return this.#hide(/["'\\]/.test(user) ? start : start + user.length + 1, end);
  }

  /** `user:password@host`. @param from behind the slashes */
  #url(scheme: string, from: number): number {
    const text = this.#text;
    let at = -1;
    let colon = -1;
    let end = from;
    for (; end < text.length && !/[\s/?#"']/.test(text[end]!); end += 1) {
      if (text[end] === '@') at = end;
      else if (text[end] === ':' && colon < 0) colon = end;
    }
    // No port: a password that should have been escaped.
    if (at < 0 && colon >= 0 && !/^\d*$/.test(text.slice(colon + 1, end))) {
      const limit = Math.min(text.length, end + URL_CHARS);
      for (; end < limit && !/[\s"']/.test(text[end]!); end += 1) if (text[end] === '@') at = end;
    }
    if (at < 0) return from;
    if (colon >= 0 && colon < at) return this.#hide(colon + 1, at);
    return WEB.test(scheme) ? this.#hide(from, at) : from;
  }

  /** What an authorization says behind its scheme; without one that is known, all of it. */
  #header(from: number): number {
    const text = this.#text;
    const value = behindScheme(text, from);
    if (value > from || this.#quoted(from, false)?.isWhole) return this.#word(value, false);
    const end = text.indexOf('\n', from);
    return this.#hide(from, end < 0 ? text.length : end);
  }

  /** `"name: value"`, in quotes as a whole. */
  #restOfQuote(kind: SecretKind, from: number, value: number): number {
    const text = this.#text;
    const start = kind === 'header' ? behindScheme(text, value) : value;
    const { to, behind } = closeOf(text, text[from - 1]!, backslashesBefore(text, from - 1), value);
    if (behind > text.length || isClosing(text, behind - 1)) return this.#hide(start, to);
    // The word goes on behind the quote, which stays so that there is one.
    return this.#hide(start, this.#wordEnd(behind), text.slice(to, behind));
  }

  /** @param isField of an object, in which something else may follow a quote. @returns behind the value */
  #word(from: number, isField: boolean): number {
    const quoted = this.#quoted(from, isField);
    if (!quoted) return this.#hide(from, this.#wordEnd(from));
    const { start, to, behind, isWhole } = quoted;
    if (!isWhole) return this.#hide(from, this.#wordEnd(behind));
    return Math.max(this.#hide(start, to), Math.min(behind, this.#text.length));
  }

  /** What is in the quotes that begin here, if any do, and whether nothing of the word is behind them. */
  #quoted(from: number, isField: boolean): (Close & { readonly start: number; readonly isWhole: boolean }) | undefined {
    const text = this.#text;
    let at = from;
    while (text[at] === '\\') at += 1;
    if (!isQuote(text[at])) return undefined;
    const close = closeOf(text, text[at]!, at - from, at + 1);
    const { behind } = close;
    const isWhole =
      behind >= text.length || isClosing(text, behind - 1) || (isField && /[,;)\]}>&|]/.test(text[behind]!));
    return { ...close, start: at + 1, isWhole };
  }

  /** Where a word of a shell ends that is in no quotes; it may have parts that are. */
  #wordEnd(from: number): number {
    const text = this.#text;
    let at = from;
    while (at < text.length && !isBlank(text[at])) {
      let end = at;
      while (text[end] === '\\') end += 1;
      const isEscaped = end > at;
      if (isQuote(text[end])) {
        if (isClosing(text, end)) return at;
        at = isEscaped ? end + 1 : Math.min(text.length, closeOf(text, text[end]!, 0, end + 1).behind);
      } else {
        // A blank, too.
        at = Math.min(text.length, end + 1);
      }
    }
    return at;
  }

  /** @param end what is shown behind it, of the text that is hidden. @returns `to` */
  #hide(from: number, to: number, end = ''): number {
    const text = this.#text;
    if (from >= to || SWITCH.test(text.slice(from, to))) return to;
    this.#out += text.slice(this.#done, from) + HIDDEN + end;
    this.#done = to;
    return to;
  }
}

function behindScheme(text: string, from: number): number {
  SCHEME.lastIndex = from;
  return SCHEME.test(text) ? SCHEME.lastIndex : from;
}

interface Close {
  /** The end of what is in the quotes. */
  readonly to: number;
  /** Behind them; beyond the text when they are not closed. */
  readonly behind: number;
}

/**
 * Where a quote closes.
 * @param escapes backslashes before the one that opened; those with more are part of the text
 */
function closeOf(text: string, quote: string, escapes: number, from: number): Close {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 1)) {
    let begin = at;
    while (begin > from && text[begin - 1] === '\\') begin -= 1;
    if (at - begin <= escapes) return { to: begin, behind: at + 1 };
  }
  return { to: text.length, behind: text.length + 1 };
}

/** Whether a word ends with the quote at this place. */
function isClosing(text: string, quoteAt: number): boolean {
  for (let at = quoteAt + 1; at <= quoteAt + CLOSING_CHARS; at += 1) {
    const char = text[at];
    if (char === undefined || isBlank(char)) return true;
    if (!/["'\\)\]},;]/.test(char)) return false;
  }
  return false;
}

function backslashesBefore(text: string, at: number): number {
  let begin = at;
  while (begin > 0 && text[begin - 1] === '\\') begin -= 1;
  return at - begin;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  return at;
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r';
}

function isQuote(char: string | undefined): boolean {
  return char === '"' || char === "'";
}

/** What may stand between a name and the sign behind it. */
function isCloser(char: string | undefined): boolean {
  return isQuote(char) || char === '\\' || char === ']';
}
