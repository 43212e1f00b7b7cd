import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspectContainer, listContainers } from '../../../src/doors/docker-containers.ts';
import type { ContainerInfo } from '../../../src/event/event.ts';

const RUNS: ContainerInfo = {
  id: 'aaa111aaa111aaa111',
  name: 'web',
  image: 'bb:1',
  pid: 7,
  running: true,
  labels: { team: 'web' },
  known: true,
  removed: false,
};
const ENDED: ContainerInfo = { id: 'aaa222aaa222aaa222', exitCode: 3, known: true, removed: false };
const PRESENT = [RUNS, ENDED];

interface Listed {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
  readonly Status: string;
}

function listed(all: boolean): readonly Listed[] {
  return listContainers(PRESENT, all) as readonly Listed[];
}

describe('the containers that Docker\u2019s clients are told of', () => {
  it('are paused where they are', () => {
    const [row] = listContainers([{ ...RUNS, paused: true }], false) as Listed[];
    assert.deepEqual([row?.State, row?.Status], ['paused', 'Up (Paused)']);
    const { State } = inspectContainer([{ ...RUNS, paused: true }], 'web') as { readonly State: object };
    assert.deepEqual(State, { ...State, Status: 'paused', Running: true, Paused: true });
  });

  it('are what runs, with all the others as well', () => {
    assert.deepEqual(
      listed(false).map(({ Id }) => Id),
      [RUNS.id],
    );
    assert.deepEqual(
      listed(true).map(({ Names, State, Status }) => [Names, State, Status]),
      [
        [['/web'], 'running', 'Up'],
        [['/aaa222aaa222'], 'exited', 'Exited (3)'],
      ],
    );
  });

  it('have the labels, and everything that clients look into without asking', () => {
    const [web] = listContainers(PRESENT, false) as [Record<string, unknown>];
    assert.deepEqual(
      [web['Labels'], web['Image'], web['Ports'], web['HostConfig'], web['NetworkSettings']],
      [{ team: 'web' }, 'bb:1', [], { NetworkMode: '' }, { Networks: {} }],
    );
  });

  it('are found one by one by id, by name, and by the beginning of one id', () => {
    for (const wanted of [RUNS.id, 'web', 'aaa1'])
      assert.equal((inspectContainer(PRESENT, wanted) as Listed).Id, RUNS.id, wanted);
    const ended = inspectContainer(PRESENT, 'aaa2') as { readonly State: unknown };
    assert.deepEqual(ended.State, {
      Status: 'exited',
      Running: false,
      Paused: false,
      Restarting: false,
      Pid: 0,
      ExitCode: 3,
    });
    for (const wanted of ['aaa', 'bbb', 'ccc', 'nobody'])
      assert.throws(() => inspectContainer(PRESENT, wanted), {
        code: 'ERR_CONTAINER_UNKNOWN',
        message: `No such container: ${wanted}`,
      });
  });
});
