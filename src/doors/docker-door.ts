import type http from 'node:http';
import os from 'node:os';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, Heartbeat, Lagged } from '../event/event.ts';
import { VERSION } from '../event/version.ts';
import { encodeDockerNotice } from '../codec/docker-json.ts';
import type { DockerDialect } from '../messages/control.ts';
import { systemClock } from '../runtime/clock.ts';
import { type DockerStreamType, preferredDockerType } from './accept-header.ts';
import { inspectContainer, isRunning, listContainers } from './docker-containers.ts';
import { checkDockerQuery, isOn, parseDockerQuery } from './docker-query.ts';
import { framingOf, streamEvents } from './event-stream.ts';
import { replyJson, replyText } from './http-reply.ts';
import type { ListenerShard } from './listener-shard.ts';
import type { SocketWriter } from './socket-writer.ts';

/** What we say to be; clients take the lower one of this and their own. */
const API_VERSION = '1.54';
const MIN_API_VERSION = '1.24';
/** From here on events have no `status`, `id` and `from`, and the type of the stream is JSON lines. */
const MODERN_SINCE = '1.52';
/** From here on the creation of an image is an event. */
const LEGACY_SINCE = '1.46';
/** Ids and names as engines give them. */
const CONTAINER = /^\/containers\/([\w.-]+)\/json$/;
const VERSIONED = /^\/v(\d+\.\d+)(\/.*)$/;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The part of Docker's Engine API that its event clients use, on paths with and without a version (spec: Engine API 1.24 to
 * 1.54). Errors are `{"message"}` and nothing else, as these clients expect it.
 */
export class DockerDoor {
  readonly #shard: ListenerShard;
  readonly #writer: SocketWriter;
  readonly #clock = systemClock();

  constructor(shard: ListenerShard, writer: SocketWriter) {
    this.#shard = shard;
    this.#writer = writer;
  }

  async answer(request: http.IncomingMessage, response: http.ServerResponse, target: URL): Promise<void> {
    const [, version = API_VERSION, path = target.pathname] = VERSIONED.exec(target.pathname) ?? [];
    const isGet = request.method === 'GET';
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (path === '/_ping' && (isGet || request.method === 'HEAD')) {
      response.setHeader('Cache-Control', 'no-cache, no-store, must-revalidate');
      response.setHeader('Pragma', 'no-cache');
      return replyText(response, 200, request.method === 'HEAD' ? '' : 'OK');
    }
    checkVersion(version);
    if (isGet && path === '/events') return this.#events(request, response, target, version);
    if (isGet && path === '/version') return replyJson(response, 200, versionInfo());
    if (isGet && path === '/info') return replyJson(response, 200, systemInfo(await this.#containers(request)));
    if (isGet && path === '/containers/json') {
      checkDockerQuery(target.search);
      return replyJson(
        response,
        200,
        listContainers(await this.#containers(request), isOn(target.searchParams, 'all')),
      );
    }
    const [, container] = CONTAINER.exec(path) ?? [];
    if (isGet && container !== undefined)
      return replyJson(response, 200, inspectContainer(await this.#containers(request), container));
    throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
  }

  refuse(response: http.ServerResponse, thrown: unknown): void {
    const { status, message } = asTocsinError(thrown);
    replyJson(response, status, { message });
  }

  async #events(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    target: URL,
    version: string,
  ): Promise<void> {
    const dialect = dialectOf(version);
    const type = preferredDockerType(request.headers.accept) ?? DEFAULT_TYPES[dialect];
    const isSequence = type === 'application/json-seq';
    const hasCursor = isOn(target.searchParams, 'cursor');
    const framing = framingOf(request);
    const format = `docker-${dialect}-${hasCursor ? 'cursor-' : ''}${isSequence ? 'seq' : 'lines'}-${framing}` as const;
    const { redacts: redact } = this.#shard;
    const subscription = parseDockerQuery(target, { format, now: this.#clock.now(), redact });
    const handle = await this.#shard.subscribe(subscription, this.#shard.peerOf(request.socket));
    // Whoever asks for what Docker does not have understands our words; everybody else would take them for events.
    const words =
      hasCursor || subscription.heartbeatMs > 0
        ? (notice: Lagged | Heartbeat) => encodeDockerNotice(notice, framing, isSequence)
        : undefined;
    streamEvents(request, response, handle, this.#writer, { 'Content-Type': type }, words);
  }

  #containers({ socket }: http.IncomingMessage): Promise<readonly ContainerInfo[]> {
    return this.#shard.containers(this.#shard.peerOf(socket));
  }
}

/** On every answer. */
const HEADERS = {
  'Api-Version': API_VERSION,
  'Docker-Experimental': 'false',
  Ostype: 'linux',
  Server: `Tocsin/${VERSION} (linux)`,
} as const;

function checkVersion(version: string): void {
  if (compareVersions(version, API_VERSION) > 0) {
    throw new TocsinError(
      'ERR_PARAMETER_INVALID',
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  if (compareVersions(version, MIN_API_VERSION) < 0) {
    throw new TocsinError(
      'ERR_PARAMETER_INVALID',
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
}

/** What the stream is called where the client names no type. */
const DEFAULT_TYPES = {
  modern: 'application/jsonl',
  legacy: 'application/json',
  old: 'application/json',
} as const satisfies Record<DockerDialect, DockerStreamType | 'application/json'>;

function dialectOf(version: string): DockerDialect {
  if (compareVersions(version, MODERN_SINCE) >= 0) return 'modern';
  return compareVersions(version, LEGACY_SINCE) >= 0 ? 'legacy' : 'old';
}

function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

function versionInfo(): unknown {
  const facts = {
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    Os: 'linux',
    Arch: ARCHITECTURES[process.arch] ?? process.arch,
    KernelVersion: os.release(),
    GitCommit: '',
    GoVersion: '',
    BuildTime: '',
  };
  return {
    Platform: { Name: 'Tocsin' },
    Components: [{ Name: 'Engine', Version: VERSION, Details: { ...facts, Experimental: 'false' } }],
    Version: VERSION,
    ...facts,
  };
}

/** What `docker info` and SDKs need not to stumble; there is no engine behind it to tell more about. */
function systemInfo(containers: readonly ContainerInfo[]): unknown {
  const running = containers.filter(isRunning).length;
  const paused = containers.filter((container) => container.paused).length;
  return {
    ID: '',
    Name: os.hostname(),
    ServerVersion: VERSION,
    OperatingSystem: 'Tocsin (events only)',
    OSType: 'linux',
    Architecture: os.machine(),
    KernelVersion: os.release(),
    NCPU: os.availableParallelism(),
    MemTotal: os.totalmem(),
    Containers: containers.length,
    // As Docker counts: a paused one does not run.
    ContainersRunning: running - paused,
    ContainersPaused: paused,
    ContainersStopped: containers.length - running,
    Images: 0,
    Driver: '',
    DriverStatus: [],
    Plugins: { Volume: [], Network: [], Authorization: null, Log: [] },
    Swarm: { LocalNodeState: 'inactive' },
    SecurityOptions: [],
    Warnings: null,
    SystemTime: new Date().toISOString(),
  };
}
