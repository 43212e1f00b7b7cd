import type { MessagePort } from 'node:worker_threads';

/** Words of the shared report. */
export const REPORT = { READY: 0, RECEIVED: 1, BREAKS: 2, GAPS: 3, DONE: 4, WORDS: 5 } as const;

export interface ConnectedThread {
  readonly role: 'publish' | 'receive';
  readonly port: MessagePort;
  readonly report: SharedArrayBuffer;
  readonly name: string;
  readonly events: number;
}
