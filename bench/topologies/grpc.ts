import { type Context, inRounds, planFor, type Row, type Topology, tocsinCase } from '../topology.ts';

const WINDOWS = [65_535, 16 * 1024 * 1024];

export const grpc: Topology = {
  name: 'grpc',
  title: "iSulad's gRPC service, N clients, as fast as it goes",
  about:
    'A C client that speaks HTTP/2: preface, SETTINGS, and a WINDOW_UPDATE whenever half of its window has been used. 64 KiB is ' +
    'what a client has that asks for nothing.',
  run(context: Context): Promise<Row[]> {
    const cases = [1, 10, 100].flatMap((clients) =>
      WINDOWS.map((window) =>
        tocsinCase(context, 'grpc', { clients, window }, planFor(clients), {
          drain: ['--door', 'grpc', '--window', String(window)],
        }),
      ),
    );
    return inRounds(context, cases);
  },
};
