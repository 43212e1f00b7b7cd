import type { Target } from '../target.ts';

/** Every target, each loaded when its turn comes: what runs while it is loaded counts as reached. */
export const TARGETS = {
  times: () => import('./times.ts'),
  cursors: () => import('./cursors.ts'),
  filters: () => import('./filters.ts'),
  'docker-filters': () => import('./docker-filters.ts'),
  'native-query': () => import('./native-query.ts'),
  'docker-query': () => import('./docker-query.ts'),
  lines: () => import('./lines.ts'),
  sources: () => import('./sources.ts'),
  addresses: () => import('./addresses.ts'),
  fifo: () => import('./fifo.ts'),
  protobuf: () => import('./protobuf.ts'),
  history: () => import('./history.ts'),
  config: () => import('./config.ts'),
  http: () => import('./http.ts'),
  http2: () => import('./http2.ts'),
  grpc: () => import('./grpc.ts'),
} as const satisfies Record<string, () => Promise<{ readonly target: Target }>>;

export type TargetName = keyof typeof TARGETS;
