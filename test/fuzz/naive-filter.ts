import type { FilterSubject, Term } from '../../src/event/filter.ts';

/** Regular expressions that mean the same to RE2 and here, and cost nothing. */
const SIMPLE_REGEX = /^\^?[\w-]*(?:\.\*)?[\w-]*\$?$/;

/** The rules of docs/protocol.md for filters, in so many words. @returns undefined where a regex is beyond these words */
export function naiveMatches(terms: readonly Term[], it: FilterSubject): boolean | undefined {
  if (terms.some((term) => term.op === '~=' && !SIMPLE_REGEX.test(regexOf(term)))) return undefined;
  const keys = new Set(terms.filter(({ op }) => op !== '!=').map(({ key }) => key));
  const isWanted = (key: string): boolean =>
    terms.some((term) => term.op !== '!=' && term.key === key && holds(term, it));
  return [...keys].every(isWanted) && !terms.some((term) => term.op === '!=' && holds(term, it));
}

function regexOf({ key, value }: Term): string {
  return key === 'label' ? value.slice(value.indexOf('=') + 1) : value;
}

function holds({ key, op, value }: Term, it: FilterSubject): boolean {
  if (key === 'label') {
    const equals = value.indexOf('=');
    const found = it.attribute(equals < 0 ? value : value.slice(0, equals));
    if (found === undefined || equals < 0) return found !== undefined;
    return test(op, value.slice(equals + 1), found);
  }
  return textsOf(key, op, it).some((text) => text !== undefined && test(op, value, text));
}

function textsOf(key: string, op: Term['op'], it: FilterSubject): readonly (string | undefined)[] {
  const { type, action, args, id, scope, source, namespace } = it;
  const name = it.attribute('name');
  switch (key) {
    case 'event':
      return args === '' ? [action] : [action, `${action}: ${args}`];
    case 'container':
      return type === 'container' ? [id, name] : [];
    case 'image': {
      const image = type === 'image' ? id : it.attribute('image');
      return op === '~=' || image === undefined ? [image] : [image, image.replace(/@.*$/s, ''), withoutTag(image)];
    }
    case 'synthetic':
      return [String(it.isSynthetic)];
    default:
      return [{ type, id, name, scope, source, namespace }[key as 'type']];
  }
}

/** Without digest and tag. */
function withoutTag(image: string): string {
  return image.replace(/@.*$/s, '').replace(/:[^/:]*$/, '');
}

function test(op: Term['op'], wanted: string, text: string): boolean {
  return op === '~=' ? new RegExp(wanted, 's').test(text) : globs(Array.from(wanted), Array.from(text));
}

/** By characters; which beginnings of the text the beginning of the glob matches. */
function globs(glob: readonly string[], text: readonly string[]): boolean {
  let reached = new Set([0]);
  for (const sign of glob) {
    const next = new Set<number>();
    for (const at of reached) {
      if (sign === '*') for (let to = at; to <= text.length; to += 1) next.add(to);
      else if (at < text.length && (sign === '?' || sign === text[at])) next.add(at + 1);
    }
    reached = next;
  }
  return reached.has(text.length);
}
