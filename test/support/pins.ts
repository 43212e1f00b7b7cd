import type { NewEvent } from '../../src/event/event.ts';
import type { Pin } from '../../src/event/filter.ts';

/** What a pin says, in so many words. */
export function isPinned(event: NewEvent, { field, text }: Pin): boolean {
  const value = field === 'name' ? event.attributes?.['name'] : event[field];
  return value?.startsWith(text) ?? false;
}
