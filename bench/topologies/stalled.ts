import { type Context, inRounds, planFor, type Row, type Topology, tocsinCase } from '../topology.ts';

const RATE = 20_000;

export const stalled: Topology = {
  name: 'stalled',
  title: 'One client that does not read, among 100',
  about:
    'At full load, and at 20,000 events a second for the latency of the others. `stalled` stops reading for good, `slow` reads ' +
    '100 kB a second. RSS is that of the daemon at the end of the run.',
  run(context: Context): Promise<Row[]> {
    const kinds = [{}, { stalled: 1 }, { slow: 1 }] as const;
    const full = kinds.map((besides) => {
      const params = { load: 'full', besides: Object.keys(besides)[0] ?? 'nobody' };
      return tocsinCase(context, 'native', params, planFor(99, { events: 160_000, ...besides }));
    });
    const rated = kinds.map((besides) => {
      const params = { load: `${RATE}/s`, besides: Object.keys(besides)[0] ?? 'nobody' };
      const plan = planFor(99, { events: RATE * 4, warmup: RATE * 2, rate: RATE, latency: true, ...besides });
      return tocsinCase(context, 'native', params, plan);
    });
    return inRounds(context, [...full, ...rated]);
  },
};
