import { startDaemon } from '../../src/cli/bench/daemon.ts';
import { type Context, inRounds, planFor, type Row, type Topology } from '../topology.ts';

export const mixed: Topology = {
  name: 'mixed',
  title: '100 clients of four dialects at once',
  about:
    '25 each: native, Docker from API 1.52 on, Docker before, and iSulad over gRPC. Four lanes, four encodings of each event.',
  run(context: Context): Promise<Row[]> {
    const doors = ['native', 'docker', 'docker-legacy', 'grpc'] as const;
    const start = () => startDaemon({ doors, main: context.main });
    return inRounds(context, [{ system: 'tocsin', params: { clients: 100 }, start, plan: planFor(100) }]);
  },
};
