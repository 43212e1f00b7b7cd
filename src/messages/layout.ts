/**
 * Every byte offset that two threads, or a thread and the disk, agree on. Little endian throughout; the daemon runs on little-endian
 * Linux only.
 *
 *   FIFO --readSync--> IntakeRing --collector--> Segment --cursor--> buffer, fanout 0..N
 *   publishers -------> PublishRing --^            ^ one Atomics.store of COMMITTED makes a batch visible
 *
 * Main has all of it: what it allocated and handed out, and segments, which the collector makes and tells it of. So nothing here
 * depends on the life of a thread.
 */

/** iSulad's monitor record, as a C compiler lays it out (x86-64 and aarch64 agree; spec: iSulad 2.1.6). */
export const MONITOR = {
  BYTES: 596,
  TYPE: 0,
  EVENT_TYPE: 4,
  NAME: 8,
  NAME_BYTES: 65,
  ARGS: 73,
  ARGS_BYTES: 255,
  EXTRA: 328,
  EXTRA_BYTES: 255,
  VALUE: 584,
  EXIT_CODE: 588,
  PID: 592,
} as const;

/** Values of MONITOR.TYPE and MONITOR.EVENT_TYPE. */
export const MONITOR_TYPE_STATE = 0;
export const MONITOR_TYPE_LAST = 2;
export const MONITOR_EVENT_CONTAINER = 0;
export const MONITOR_EVENT_IMAGE = 1;

/**
 * The intake ring: a header of Int32 words, then SLOTS slots of exactly one monitor record. 596 is a multiple of four, so
 * every slot starts on an Int32 boundary and a whole run of slots is read with one system call. HEAD and TAIL count records
 * and wrap at 2^32; HEAD - TAIL is the number of committed records. A free slot carries SENTINEL in its first word, which is
 * no valid MONITOR.TYPE, and in its last one: whoever finds the ring after its writer died can tell what had been read whole but
 * not committed.
 */
export const INTAKE = {
  HEADER_BYTES: 64,
  HEAD: 0,
  TAIL: 1,
  /** 1 while the collector waits for records and needs a wake-up. */
  CONSUMER_WAITS: 2,
  /** 1 while monitored waits for free slots and needs a wake-up. */
  PRODUCER_WAITS: 3,
  /** Byte offset of two places of the collector's progress, Float64 cells: number of the commit, TAIL behind it. */
  PROGRESS: 16,
  PROGRESS_CELLS: 2,
  /** Power of two, so that a wrapping counter maps to a slot with a mask. */
  SLOTS: 2048,
  SENTINEL: 0x7fffffff,
} as const;

/**
 * A publish ring: the same header words, counting bytes. Entries are packed event records (below) and batch heads, multiples of
 * eight bytes, never wrapped: WRAP in place of a length says "continue at offset 0". What was offered together stays together.
 */
export const PUBLISH = {
  HEADER_BYTES: 128,
  HEAD: 0,
  TAIL: 1,
  CONSUMER_WAITS: 2,
  PRODUCER_WAITS: 3,
  /** 1 once the collector takes nothing more. Writer: collector. */
  CLOSED: 4,
  /** Batches that have been answered. Writer: collector. */
  ANSWERED: 5,
  /**
   * Byte offset of two places of the collector's progress, Float64 cells: number of the commit, TAIL behind it (at the batch head
   * while a batch is not complete), events taken of that batch, those of them that the log had before (-1 = it is refused), where
   * the newest of them is in the log, batches answered.
   */
  PROGRESS: 32,
  PROGRESS_CELLS: 6,
  /** Power of two. */
  BYTES: 1 << 20,
  WRAP: -1,
} as const;

/**
 * Answers to batches stand behind a publish ring's entries, ANSWERED & (COUNT - 1) is the place of the next one; a publisher has
 * never more than COUNT batches that are not answered. The collector writes them before the commit that makes them true.
 */
export const ANSWER = {
  REQUEST_ID: 0,
  /** 1 = none of its events was appended, and SEQ is the number that the publisher's next event must have. */
  REFUSED: 1,
  SEQ_LOW: 2,
  SEQ_HIGH: 3,
  APPENDED: 4,
  REPEATED: 5,
  WORDS: 8,
  /** Power of two. */
  COUNT: 1024,
} as const;

/**
 * The commits of the log, in Float64 cells: their number, and two places of where the log stands behind the newest and the one
 * before or the next. Storing NUMBER is what makes a commit true: whatever the collector does for it before can be forgotten, and
 * whatever is to be done after it can be done again.
 */
export const COMMITS = {
  NUMBER: 0,
  /** Byte offset of the first place; the second follows. */
  PLACES: 8,
  HEAD_SEQ: 0,
  TIME_SEC: 1,
  TIME_NANOS: 2,
  /** Number of the segment that is written, and how far it is. */
  SEGMENT: 3,
  SEGMENT_END: 4,
  /** Number of the state log that is written, and how far it is. */
  STATE_LOG: 5,
  STATE_LOG_END: 6,
  /** First event of the history file that is written (0 = none), and how long it is. */
  FILE: 7,
  FILE_LENGTH: 8,
  /** History files that begin before this event would survive a loss of power. */
  SAFE_BEFORE: 9,
  CELLS: 16,
  BYTES: 8 + 2 * 16 * 8,
} as const;

/**
 * The head of a batch in a publish ring: EVENTS records follow that are to be acknowledged together. The publisher's name
 * stands behind the fixed part.
 */
export const BATCH = {
  LENGTH: 0,
  KIND: 5,
  REQUEST_ID: 8,
  EVENTS: 12,
  /** The publisher's own number of the first event, low and high 32 bits; 0 = the name is that of a source. */
  SEQUENCE_LOW: 16,
  SEQUENCE_HIGH: 20,
  /** 0 = a publisher without name: its batches are not recognised again. */
  NAME_BYTES: 24,
  FIXED_BYTES: 32,
} as const;

/**
 * The packed event record: what the log holds, in memory and on disk. Its length is a multiple of eight, so that every
 * record starts on an eight-byte boundary and Int32/Uint16 views can read it. After the fixed part follow, without
 * terminators, the UTF-8 texts type, action, args, id, scope, source, namespace, and then ATTRIBUTES times
 * [u16 key length][u16 value length][key][value] (unaligned).
 */
export const EVENT = {
  LENGTH: 0,
  VERSION: 4,
  KIND: 5,
  FLAGS: 6,
  /** Low and high 32 bits of the sequence number; a safe integer needs 21 bits of the high word. */
  SEQ_LOW: 8,
  SEQ_HIGH: 12,
  TIME_SEC: 16,
  TIME_NANOS: 20,
  /** Zero seconds when the source gave no time, or gave the one in TIME. */
  SOURCE_SEC: 24,
  SOURCE_NANOS: 28,
  /** -1 = none. */
  PID: 32,
  /** NO_EXIT_CODE = none. */
  EXIT_CODE: 36,
  TYPE_BYTES: 40,
  ACTION_BYTES: 42,
  ARGS_BYTES: 44,
  ID_BYTES: 46,
  SCOPE_BYTES: 48,
  SOURCE_BYTES: 50,
  NAMESPACE_BYTES: 52,
  ATTRIBUTES: 54,
  /** Bytes of all attributes together, so that the record's end need not be searched. */
  ATTRIBUTES_BYTES: 56,
  RESERVED: 60,
  FIXED_BYTES: 64,
} as const;

export const EVENT_VERSION = 1;
export const KIND_EVENT = 1;
export const KIND_BATCH = 2;
export const KIND_STATE = 3;
export const NO_EXIT_CODE = -2147483648;
export const NO_PID = -1;
export const MAX_EVENT_BYTES = 64 * 1024;

/** Of the flags byte: no engine told it, a source found that things are not as the log knew them. */
export const FLAG_SYNTHETIC = 1;
export const FLAG_SOURCE_GAP = 2;
export const FLAG_REPLACED_UTF8 = 4;
/**
 * It was looked at when it was accepted, and holds nothing that could be a secret. Without this flag, as before there was one, it
 * may.
 */
export const FLAG_NO_SECRET = 8;
/** It says nothing new: an exec of a health check, or a health that was told before. */
export const FLAG_REPEATS = 16;
/** Its texts are ASCII that JSON shows as it is, also where it may stand in a web page. Without this flag they may be, too. */
export const FLAG_PLAIN = 32;

/**
 * A segment: header, then packed records back to back. FIRST_SEQ and the limits never change; COMMITTED is the only word
 * that does, and it is stored after the records it makes visible.
 */
export const SEGMENT = {
  MAGIC: 0,
  VERSION: 4,
  /** Byte offset just behind the last committed record; Int32, atomic. */
  COMMITTED: 8,
  FIRST_SEQ_LOW: 16,
  FIRST_SEQ_HIGH: 20,
  /** Segments of a log are numbered from 1 on. */
  NUMBER: 24,
  HEADER_BYTES: 64,
  MAGIC_VALUE: 0x31534354,
  VERSION_VALUE: 1,
} as const;

/**
 * A history file: this header, then batches back to back. Its name is its first sequence number; its first batch is a snapshot
 * of what the log knows besides events. All events of a file are of one epoch: the header's, or a later one when the first of them
 * came after a loss.
 */
export const HISTORY_FILE = {
  MAGIC: 0,
  /** Of every byte of the header behind this word. */
  CRC: 4,
  VERSION: 8,
  FIRST_SEQ_LOW: 16,
  FIRST_SEQ_HIGH: 20,
  /** Time of the newest event before the file; 0 = there is none. */
  AFTER_SEC: 24,
  AFTER_NANOS: 28,
  EPOCH: 32,
  /** The epoch that was continued; eight zero bytes when the log began with this one. */
  PARENT: 40,
  EPOCH_BYTES: 8,
  /** Our clock when the file was begun; its events came afterwards, whatever their times. */
  CREATED_SEC: 48,
  BYTES: 64,
  MAGIC_VALUE: 0x31484354,
  VERSION_VALUE: 1,
} as const;

/**
 * A batch of a history file: what one write brought. Behind this header stand COUNT event records, as in memory, and then state
 * records, which have no sequence number. Multiples of eight bytes, so that a reader that lost its way finds the next one.
 */
export const HISTORY_BATCH = {
  MAGIC: 0,
  /** CRC-32 (as zlib has it) of every byte of the batch behind this word. */
  CRC: 4,
  /** Of the whole batch. */
  LENGTH: 8,
  COUNT: 12,
  FIRST_SEQ_LOW: 16,
  FIRST_SEQ_HIGH: 20,
  /** Time of the first and of the last event; without events both are that of the newest event before. */
  FIRST_SEC: 24,
  FIRST_NANOS: 28,
  LAST_SEC: 32,
  LAST_NANOS: 36,
  EVENT_BYTES: 40,
  BYTES: 48,
  MAGIC_VALUE: 0x31424354,
} as const;

/** A state log: its number as a Float64, then state records. */
export const STATE_LOG = { HEADER_BYTES: 8 } as const;

/** A state record: what it says is JSON behind the fixed part, padded with spaces. */
export const STATE = { LENGTH: 0, VERSION: 4, KIND: 5, FIXED_BYTES: 8 } as const;

/**
 * The state of the log that everyone may read: Float64 cells with one writer each. An aligned eight-byte store is a single
 * instruction on every platform that the daemon runs on, so a reader sees the old or the new number, nothing between.
 */
export const LOG_STATE = {
  /** Sequence number of the newest committed event; 0 = none. Writer: collector. */
  HEAD_SEQ: 0,
  /** Sequence number of the oldest retained event. Writer: buffer. */
  OLDEST_SEQ: 1,
  /** 1 while the history cannot be written. Writer: collector. */
  HISTORY_FAILED: 2,
  /** Sequence number of the oldest event in memory. Writer: buffer. */
  MEMORY_SEQ: 3,
  CELLS: 8,
  /** Int32 words behind the cells, one per log reader (0 = buffer, 1.. = shards): 1 while it needs a wake-up. */
  ASLEEP: 8 * 8,
  MAX_READERS: 64,
  /** Int32 words, one per shard: its clients, and those of them that read history. */
  CLIENTS: 8 * 8 + 64 * 4,
  REPLAYS: 8 * 8 + 2 * 64 * 4,
  /** Its connections to the event sockets. */
  CONNECTIONS: 8 * 8 + 3 * 64 * 4,
  /** Users with connections: uid + 1 each, 0 = a free slot. Behind them for each slot a word per shard: its connections of that user. */
  USERS: 8 * 8 + 4 * 64 * 4,
  USER_SLOTS: 256,
  BYTES: 8 * 8 + 4 * 64 * 4 + 256 * (1 + 64) * 4,
} as const;

/** A doorbell: one Int32 word in a cache line of its own. */
export const DOORBELL = { BYTES: 64 } as const;

/**
 * The client table: one row per client, written by its shard (CANCELLED: by whoever cancels), read by the clients-checker and
 * by statistics. Rows of shard k are k*ROWS_PER_SHARD ... A row is 64 bytes, one cache line.
 */
export const CLIENT = {
  ROW_BYTES: 64,
  ROWS_PER_SHARD: 8192,
  /** Int32 words. */
  STATE: 0,
  CANCELLED: 1,
  /** Events that the client may lag before its `disconnect` policy ends it; 0 = `catch-up`. */
  LAG_LIMIT: 2,
  /** 0 = no until. */
  UNTIL_SEC: 3,
  UNTIL_NANOS: 4,
  /** Grows with every client that takes the row, so that a late command cannot hit the successor. */
  GENERATION: 5,
  /** Float64 cells of the row. */
  NEXT_SEQ: 3,
  DELIVERED: 4,
  MISSED: 5,
  FREE: 0,
  ACTIVE: 1,
} as const;
