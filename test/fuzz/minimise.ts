const MAX_TRIES = 1000;

/**
 * Cuts an input down as long as it fails in the same way: pieces, halving their size, then bytes that become the simplest one.
 * @param fails whether an input still does
 */
export async function minimise(
  input: Uint8Array,
  fails: (smaller: Uint8Array) => boolean | Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  for (let size = Math.ceil(input.length / 2); size >= 1 && tries < MAX_TRIES; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && tries < MAX_TRIES; ) {
      const smaller = new Uint8Array([...best.subarray(0, at), ...best.subarray(at + size)]);
      tries += 1;
      if (await fails(smaller)) best = smaller;
      else at += size;
    }
  }
  return best;
}
