import fs from 'node:fs';
import { TocsinError } from '../event/errors.ts';

/** Files that name users and groups: `name:x:number:...` a line. What else a machine may know them by is not asked. */
export const PASSWD = '/etc/passwd';
export const GROUP = '/etc/group';

const MAX_NUMBER = 2 ** 32 - 2;

/**
 * The number of a user (`/etc/passwd`) or a group (`/etc/group`); one that is given as a number need not be there.
 * @throws ERR_OPTION_INVALID for a name that the file does not have
 */
export function accountNumber(account: string, file: string): number {
  if (/^\d+$/.test(account) && Number(account) <= MAX_NUMBER) return Number(account);
  for (const line of linesOf(file)) {
    const [name, , number = ''] = line.split(':');
    if (name === account && /^\d+$/.test(number)) return Number(number);
  }
  throw new TocsinError(
    'ERR_OPTION_INVALID',
    `listen: expected a name in ${file}, or a number; got ${JSON.stringify(account)}`,
  );
}

function linesOf(file: string): readonly string[] {
  try {
    return fs.readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
