import { type Context, inRounds, type Row, type Topology, tocsinCase } from '../topology.ts';

const EVENTS = 800_000;

export const filters: Topology = {
  name: 'filters',
  title: 'N clients, each with a container of its own',
  about:
    'N different filters `container=<id>`, and events about N containers in turn: every event is for exactly one client, so the ' +
    'number of deliveries is the same whatever N is.',
  run(context: Context): Promise<Row[]> {
    const cases = [1, 10, 100, 1000].map((clients) => {
      const filter = encodeURIComponent(`{"container":["${'0'.repeat(52)}`);
      const path = `/v1/events?filters=${filter}{i}${encodeURIComponent('"]}')}`;
      const plan = {
        clients,
        events: EVENTS,
        warmup: EVENTS,
        rate: 0,
        ahead: 32_768,
        step: clients,
        load: ['--containers', String(clients)],
      };
      return tocsinCase(context, 'native', { filters: clients }, plan, { drain: ['--door', 'native', '--path', path] });
    });
    return inRounds(context, cases);
  },
};
