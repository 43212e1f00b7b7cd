export const JSON_LINES_TYPE = 'application/x-ndjson';
export const SSE_TYPE = 'text/event-stream';

/** A weight of RFC 9110: 0 to 1 with at most three digits. */
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** The types that Docker's stream has; of those with equal weight in an `Accept`, the first one counts. */
const DOCKER_TYPES = ['application/jsonl', JSON_LINES_TYPE, 'application/json-seq'] as const;
export type DockerStreamType = (typeof DOCKER_TYPES)[number];

/**
 * Whether a client wants server-sent events: its `Accept` names them, and prefers JSON lines neither by weight nor, at equal
 * weight, by naming them as well. Ranges that cannot be read are passed over, parameters other than `q` too.
 */
export function prefersSse(accept: string | undefined): boolean {
  const weights = weightsOf(accept);
  const sse = weights.get(SSE_TYPE) ?? 0;
  const named = weights.get(JSON_LINES_TYPE);
  const lines = named ?? weights.get('application/*') ?? weights.get('*/*') ?? 0;
  return sse > lines || (sse === lines && sse > 0 && named === undefined);
}

/** Which of its types a Docker client has named and wants most; wildcards name none. */
export function preferredDockerType(accept: string | undefined): DockerStreamType | undefined {
  const weights = weightsOf(accept);
  let preferred: DockerStreamType | undefined;
  let most = 0;
  for (const type of DOCKER_TYPES) {
    const weight = weights.get(type) ?? 0;
    if (weight <= most) continue;
    preferred = type;
    most = weight;
  }
  return preferred;
}

function weightsOf(accept: string | undefined): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    if (WEIGHT.test(weight)) weights.set(type, Number(weight));
  }
  return weights;
}
