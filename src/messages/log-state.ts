import { LOG_STATE } from './layout.ts';
import { Quota } from './quota.ts';
import { UserQuotas } from './user-quotas.ts';

/** The few facts about the log that every thread may read at any time. */
export class LogState {
  readonly memory: SharedArrayBuffer;
  readonly asleep: Int32Array;
  readonly clients: Quota;
  readonly replays: Quota;
  readonly connections: Quota;
  readonly connectionsOf: UserQuotas;
  readonly #cells: Float64Array;

  /** Of a log that goes on behind `headSeq` and has kept its events from `oldestSeq` on. */
  static allocate(headSeq = 0, oldestSeq = headSeq + 1): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(LOG_STATE.BYTES);
    const cells = new Float64Array(memory, 0, LOG_STATE.CELLS);
    cells[LOG_STATE.HEAD_SEQ] = headSeq;
    cells[LOG_STATE.OLDEST_SEQ] = oldestSeq;
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#cells = new Float64Array(memory, 0, LOG_STATE.CELLS);
    this.asleep = new Int32Array(memory, LOG_STATE.ASLEEP, LOG_STATE.MAX_READERS);
    this.clients = new Quota(memory, LOG_STATE.CLIENTS, LOG_STATE.MAX_READERS);
    this.replays = new Quota(memory, LOG_STATE.REPLAYS, LOG_STATE.MAX_READERS);
    this.connections = new Quota(memory, LOG_STATE.CONNECTIONS, LOG_STATE.MAX_READERS);
    this.connectionsOf = new UserQuotas(memory, LOG_STATE.USERS, LOG_STATE.USER_SLOTS, LOG_STATE.MAX_READERS);
  }

  get headSeq(): number {
    return this.#cells[LOG_STATE.HEAD_SEQ]!;
  }
  /** Collector only, before the commit that makes the event visible: whoever has seen an event also sees it counted. */
  set headSeq(seq: number) {
    this.#cells[LOG_STATE.HEAD_SEQ] = seq;
  }

  get oldestSeq(): number {
    return this.#cells[LOG_STATE.OLDEST_SEQ]!;
  }
  /** Buffer only. */
  set oldestSeq(seq: number) {
    this.#cells[LOG_STATE.OLDEST_SEQ] = seq;
  }

  /** The oldest event in memory. */
  get memorySeq(): number {
    return this.#cells[LOG_STATE.MEMORY_SEQ]!;
  }
  /** Buffer only. */
  set memorySeq(seq: number) {
    this.#cells[LOG_STATE.MEMORY_SEQ] = seq;
  }

  get isHistoryFailed(): boolean {
    return this.#cells[LOG_STATE.HISTORY_FAILED] === 1;
  }
  /** Collector only. */
  set isHistoryFailed(failed: boolean) {
    this.#cells[LOG_STATE.HISTORY_FAILED] = failed ? 1 : 0;
  }
}
