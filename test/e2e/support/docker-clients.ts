import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import { SequenceCheck } from '../../support/sequence.ts';

/** Prints the annotation `seq` of each event that docker-py decodes. */
const DOCKER_PY = `
import sys, docker
client = docker.DockerClient(base_url='unix://' + sys.argv[1], version='auto', timeout=600)
for event in client.events(decode=True):
    sys.stdout.write('seq=' + event['Actor']['Attributes'].get('seq', '0') + '\\n')
    if event['Actor']['Attributes'].get('seq') == sys.argv[2]:
        break
sys.stdout.flush()
`;

/** The python that has docker-py: not always the first one on the path. @throws when none has */
export function pythonWithDocker(): string {
  for (const python of ['python3', '/usr/bin/python3']) {
    if (spawnSync(python, ['-c', 'import docker']).status === 0) return python;
  }
  throw new Error('docker-py is missing: apt-get install python3-docker');
}

/** Each version of Docker's command line that the path has, the one that is found first first. @throws when there is none */
export function dockerClis(): readonly { readonly program: string; readonly version: string }[] {
  const byVersion = new Map<string, string>();
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const program = path.join(folder, 'docker');
    const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    const version = status === 0 ? /\d+\.\d+\.\d+/.exec(stdout)?.[0] : undefined;
    if (version && !byVersion.has(version)) byVersion.set(version, program);
  }
  if (byVersion.size === 0) throw new Error('the docker CLI is missing: apt-get install docker.io');
  return [...byVersion].map(([version, program]) => ({ program, version }));
}

/** The stock `docker events`, live, until it has printed event `last`. */
export function attachDockerCli(socketPath: string, last: number): Promise<SequenceCheck> {
  const child = spawn('docker', ['events', '--format', '{{json .}}'], {
    env: { ...process.env, DOCKER_HOST: `unix://${socketPath}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return checkOutput(child, last);
}

export function attachDockerPy(socketPath: string, last: number): Promise<SequenceCheck> {
  const child = spawn(pythonWithDocker(), ['-c', DOCKER_PY, socketPath, String(last)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return checkOutput(child, last);
}

/** dockerode's stream, whose lines are taken wherever its reads cut them. */
export async function attachDockerode(socketPath: string, last: number): Promise<SequenceCheck> {
  const check = new SequenceCheck();
  const stream = (await new Docker({ socketPath }).getEvents()) as Readable;
  return new Promise((resolve) => {
    stream.on('data', (piece: Buffer) => {
      check.push(piece);
      if (check.last === last) stream.destroy();
    });
    stream.on('error', () => {});
    stream.once('close', () => resolve(check));
  });
}

function checkOutput(child: ReturnType<typeof spawn>, last: number): Promise<SequenceCheck> {
  const check = new SequenceCheck();
  child.stdout!.on('data', (piece: Buffer) => {
    check.push(piece);
    if (check.last === last) child.kill();
  });
  return new Promise((resolve) => child.once('close', () => resolve(check)));
}
