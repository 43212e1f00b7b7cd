import { TocsinError } from './errors.ts';

/**
 * How sure a name is that its value is a secret. `weak` names are ordinary words too (`auth`): more has to speak for them than a
 * colon, as in `auth:8080`. What a `header` says goes on over blanks.
 */
export type SecretKind = 'none' | 'weak' | 'strong' | 'header';

/** Somewhere in the name, in small letters. */
const STRONG =
  /pass(?:word|wd|phrase|code)|secret|token|credential|(?:basic|digest)auth|pass(?:in|out)$|(?:access|account|api|auth|crypt|encryption|license|master|private|session|shared|signing|ssh|storage)[-_.]?key/;
const WEAK = /(?:pass|pwd|auth|creds?)$/;
const HEADER = /(?:^|-)(?:authorization|cookie)$/;
/** Where it is kept, what it is called, how long it lives: not itself. */
const ABOUT = /(?:file|path|dir|stdin|prompt|name|type|ttl)s?$/;
const ORDINARY_WORDS = /(?:bypass|compass|trespass)$/;
/** The working folder of a shell, and the one before. */
const FOLDERS: ReadonlySet<string> = new Set(['PWD', 'OLDPWD']);
const WORD = /^[a-z0-9_.-]{3,64}$/;
const MAX_WORDS = 100;

/** What is known of secrets by their names. */
export class SecretNames {
  readonly #words: readonly string[];

  /** @param words more of them, by which a name is known wherever they stand in it; of `parseSecretWords` */
  constructor(words: readonly string[] = []) {
    this.#words = words;
  }

  /** @param name of an option, a variable, a field, a header or a label */
  kindOf(name: string): SecretKind {
    const low = name.toLowerCase();
    for (const word of this.#words) if (low.includes(word)) return 'strong';
    if (HEADER.test(low)) return 'header';
    if (ABOUT.test(low)) return 'none';
    if (STRONG.test(low)) return 'strong';
    return WEAK.test(low) && !ORDINARY_WORDS.test(low) && !FOLDERS.has(name) ? 'weak' : 'none';
  }
}

/** Words that make a name secret, in small letters. @throws ERR_OPTION_INVALID */
export function parseSecretWords(words: readonly string[]): readonly string[] {
  if (words.length > MAX_WORDS)
    throw new TocsinError('ERR_OPTION_INVALID', `redactNames: expected at most ${MAX_WORDS} words`);
  return words.map((word) => {
    const low = word.toLowerCase();
    if (WORD.test(low)) return low;
    const expected = 'words of 3 to 64 letters, digits, dots, dashes and underscores';
    throw new TocsinError('ERR_OPTION_INVALID', `redactNames: expected ${expected}, got ${JSON.stringify(word)}`);
  });
}
