/**
 * iSulad's states and the words for them. The number is the record's `value` (spec: `runtime_state_t`, `image_state_t`
 * of iSulad 2.1.6). `docs/mapping.md` shows these tables door by door, and a test walks every row.
 */
export interface StateRow {
  /** iSulad's name of the state, as `tocsin send` takes it. */
  readonly state: string;
  /** The native action. */
  readonly action: string;
  /** The word on the iSulad door, where it differs (iSulad's own typo is part of its wire). */
  readonly isulad?: string;
}

const state = (name: string, action: string, isulad?: string): StateRow => ({
  state: name,
  action,
  ...(isulad ? { isulad } : {}),
});

/** Index = state value of a container record, 0..28. */
export const CONTAINER_STATES: readonly StateRow[] = [
  state('EXIT', 'exit'),
  state('STOPPED', 'die'),
  state('STARTING', 'starting'),
  state('RUNNING', 'running'),
  state('STOPPING', 'stopping'),
  state('ABORTING', 'aborting'),
  state('FREEZING', 'freezing'),
  state('FROZEN', 'frozen'),
  state('THAWED', 'thawed'),
  state('OOM', 'oom'),
  state('CREATE', 'create'),
  state('START', 'start'),
  state('RESTART', 'restart'),
  state('STOP', 'stop'),
  state('EXEC_CREATE', 'exec_create'),
  state('EXEC_START', 'exec_start'),
  state('EXEC_DIE', 'exec_die'),
  state('ATTACH', 'attach'),
  state('KILL', 'kill'),
  state('TOP', 'top'),
  state('RENAME', 'rename', 'reanme'),
  state('ARCHIVE_PATH', 'archive-path'),
  state('EXTRACT_TO_DIR', 'extract-to-dir'),
  state('UPDATE', 'update'),
  state('PAUSE', 'pause'),
  state('UNPAUSE', 'unpause'),
  state('EXPORT', 'export'),
  state('RESIZE', 'resize'),
  state('PAUSED1', 'paused1'),
];

/** Index = state value of an image record, 0..6. */
export const IMAGE_STATES: readonly StateRow[] = [
  state('LOAD', 'load'),
  state('REMOVE', 'remove'),
  state('PULL', 'pull'),
  state('LOGIN', 'login'),
  state('LOGOUT', 'logout'),
  state('IMPORT', 'import'),
  state('TAG', 'tag'),
];

export const STATE_STOPPED = 1;
export const STATE_START = 11;
/** What a STOPPED record without an exit code means. */
export const EXIT_CODE_UNKNOWN = 125;

const ISULAD_WORDS = new Map(
  [...CONTAINER_STATES, ...IMAGE_STATES].flatMap((row) => (row.isulad ? [[row.action, row.isulad] as const] : [])),
);

/** The word that the iSulad door shows for a native action. */
export function isuladAction(action: string): string {
  return ISULAD_WORDS.get(action) ?? action;
}

/** The value of a state by iSulad's name or by the native action, in any case; undefined when there is none. */
export function stateValue(table: readonly StateRow[], word: string): number | undefined {
  const wanted = word.toLowerCase().replaceAll('-', '_');
  const index = table.findIndex(
    (row) => row.state.toLowerCase() === wanted || row.action.replaceAll('-', '_') === wanted,
  );
  return index < 0 ? undefined : index;
}

/** Docker's word for removing an image; iSulad says `remove`. All other words are the same. */
const IMAGE_REMOVE = 'remove';
const IMAGE_DELETE = 'delete';

/** The word that the Docker door shows for a native action, args apart. */
export function dockerAction(type: string, action: string): string {
  return type === 'image' && action === IMAGE_REMOVE ? IMAGE_DELETE : action;
}

/** The native action for Docker's word. */
export function actionOfDocker(type: string, word: string): string {
  return type === 'image' && word === IMAGE_DELETE ? IMAGE_REMOVE : word;
}

/** Whether Docker gives the event of a container an `exitCode` attribute. */
export function hasDockerExitCode(action: string): boolean {
  return action === 'die' || action === 'exec_die';
}
