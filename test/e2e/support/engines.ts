import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { call, CHECKOUT, exitOf, temporaryFolder, waitFor } from '../../support/daemon.ts';

const SCRIPTS = path.join(CHECKOUT, 'test/e2e/engines');

/** Why a real engine cannot run here; undefined when it can. */
export function missingFor(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'real engines need root';
  for (const program of programs)
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} is not installed`;
  return undefined;
}

/** An image for engines without a registry, in a folder of its own. */
export function makeImage(folder: string): void {
  const { status, stderr } = spawnSync(path.join(SCRIPTS, 'image.sh'), [folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`no image: ${stderr}`);
}

/** An engine with Docker's API that runs wholly inside a folder. It can be stopped and started again. */
export class RealEngine {
  readonly #folder = temporaryFolder();
  readonly socketPath = path.join(this.#folder, 'e.sock');
  readonly images = path.join(this.#folder, 'images');
  readonly #command: (folder: string, socketPath: string) => readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  constructor(
    command: (folder: string, socketPath: string) => readonly string[],
    environment: (folder: string) => Readonly<Record<string, string>> = () => ({}),
  ) {
    this.#command = command;
    this.#env = { ...process.env, ...environment(this.#folder) };
    makeImage(this.images);
  }

  get host(): string {
    return `unix://${this.socketPath}`;
  }

  async start(): Promise<void> {
    const [program = '', ...args] = this.#command(this.#folder, this.socketPath);
    const log = fs.openSync(path.join(this.#folder, 'log'), 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: this.#env });
    fs.closeSync(log);
    this.#child = child;
    await waitFor(async () => {
      if (child.exitCode !== null)
        throw new Error(`${program} ended: ${fs.readFileSync(path.join(this.#folder, 'log'), 'utf8').slice(-2000)}`);
      return call(this.socketPath, '/_ping').then(
        ({ status }) => status === 200,
        () => false,
      );
    }, `${program} to answer`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const exited = exitOf(child);
    child.kill('SIGTERM');
    await exited;
  }

  /** Runs a program of the engine's own, with its environment; what it prints. */
  run(program: string, args: readonly string[]): Promise<string> {
    const child = spawn(program, args, {
      env: { ...this.#env, DOCKER_HOST: this.host },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.resume();
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve(output));
    });
  }

  /** Everything that can happen to containers, images, volumes and networks. */
  async lifeCycle(): Promise<void> {
    await this.run(path.join(SCRIPTS, 'docker-life-cycle.sh'), [this.host, this.images]);
  }

  async remove(): Promise<void> {
    await this.stop();
    spawnSync('sh', ['-c', `grep -o "${this.#folder}[^ ]*" /proc/mounts | sort -r | xargs -r umount -l`]);
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @param more hosts and their files */
export function dockerEngine(more: readonly string[] = []): RealEngine {
  return new RealEngine((folder, socketPath) => [
    'dockerd',
    ...more,
    `--data-root=${folder}/data`,
    `--exec-root=${folder}/exec`,
    `--pidfile=${folder}/pid`,
    `--host=unix://${socketPath}`,
    '--iptables=false',
    '--ip6tables=false',
    '--ip-forward=false',
    '--ip-masq=false',
    '--bridge=none',
    '--userland-proxy=false',
    '--storage-driver=overlay2',
    '--exec-opt=native.cgroupdriver=cgroupfs',
  ]);
}

export function podmanEngine(): RealEngine {
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return new RealEngine(
    (folder, socketPath) => {
      fs.writeFileSync(
        path.join(folder, 'containers.conf'),
        `[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
events_logfile_path = "${folder}/events.log"
[containers]
netns = "none"
default_ulimits = ["nofile=${limit}:${limit}", "nproc=32768:32768"]
`,
      );
      return [...podman(folder), 'system', 'service', '--time=0', `unix://${socketPath}`];
    },
    (folder) => ({ CONTAINERS_CONF: path.join(folder, 'containers.conf') }),
  );
}

function podman(folder: string): readonly string[] {
  return [
    'podman',
    `--root=${folder}/data`,
    `--runroot=${folder}/run`,
    `--tmpdir=${folder}/tmp`,
    '--storage-driver=overlay',
  ];
}
