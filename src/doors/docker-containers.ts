import { TocsinError } from '../event/errors.ts';
import type { ContainerInfo } from '../event/event.ts';

/** Containers of whose files, networks and ports the log knows nothing: what clients look into without asking is there, empty. */
const UNKNOWN_NETWORKS = { Networks: {} } as const;
const SHORT_ID_CHARS = 12;

/** What `GET /containers/json` answers: what runs, with `all` the others as well. */
export function listContainers(present: readonly ContainerInfo[], all: boolean): unknown {
  return present
    .filter((container) => all || isRunning(container))
    .map((container) => ({
      Id: container.id,
      Names: [nameOf(container)],
      Image: container.image ?? '',
      ImageID: '',
      Command: '',
      Created: 0,
      Ports: [],
      Labels: container.labels ?? {},
      State: stateOf(container),
      Status: isRunning(container) ? (container.paused ? 'Up (Paused)' : 'Up') : `Exited (${container.exitCode ?? 0})`,
      HostConfig: { NetworkMode: '' },
      NetworkSettings: UNKNOWN_NETWORKS,
      Mounts: [],
    }));
}

/**
 * What `GET /containers/{id}/json` answers; Docker means an id, a name, or the beginning of one id.
 * @throws ERR_CONTAINER_UNKNOWN
 */
export function inspectContainer(present: readonly ContainerInfo[], wanted: string): unknown {
  const beginning = present.filter(({ id }) => id.startsWith(wanted));
  const container =
    present.find(({ id }) => id === wanted) ??
    present.find(({ name }) => name === wanted) ??
    (beginning.length === 1 ? beginning[0] : undefined);
  if (!container) throw new TocsinError('ERR_CONTAINER_UNKNOWN', `No such container: ${wanted}`);
  return {
    Id: container.id,
    Name: nameOf(container),
    Image: '',
    State: {
      Status: stateOf(container),
      Running: isRunning(container),
      Paused: container.paused ?? false,
      Restarting: false,
      Pid: container.pid ?? 0,
      ExitCode: container.exitCode ?? 0,
    },
    Config: { Image: container.image ?? '', Labels: container.labels ?? {} },
    HostConfig: { NetworkMode: '' },
    NetworkSettings: UNKNOWN_NETWORKS,
    Mounts: [],
  };
}

export function isRunning({ running = false }: ContainerInfo): boolean {
  return running;
}

function stateOf(container: ContainerInfo): string {
  if (!isRunning(container)) return 'exited';
  return container.paused ? 'paused' : 'running';
}

/** With the slash that Docker's names begin with. */
function nameOf({ id, name }: ContainerInfo): string {
  return `/${name || id.slice(0, SHORT_ID_CHARS)}`;
}
