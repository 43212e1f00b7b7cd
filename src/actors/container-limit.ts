import { BUILT_IN_ATTRIBUTES } from '../codec/format-record.ts';
import type { Container } from '../event/container-table.ts';
import { compileFilter, type Term } from '../event/filter.ts';

/**
 * Which containers a limit shows: those of which it would show an event with what is known of them now. Their namespace is not
 * known, so a limit to some shows none of them.
 */
export function containerLimit(limit: readonly Term[]): (container: Container) => boolean {
  const filter = compileFilter(limit);
  return ({ id, spec }) =>
    filter.matches({
      type: 'container',
      action: '',
      args: '',
      id,
      scope: '',
      source: '',
      namespace: '',
      isSynthetic: false,
      attribute(key) {
        if (key === 'name') return spec.name;
        if (key === 'image') return spec.image;
        // An event shows no label of such a name, and no other property of an object is a label.
        if (BUILT_IN_ATTRIBUTES.has(key) || !Object.hasOwn(spec.labels ?? {}, key)) return undefined;
        return spec.labels?.[key];
      },
    });
}
