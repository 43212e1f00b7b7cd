/** Waits for it, at most so long. */
export async function within(settled: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([settled, limit]);
  clearTimeout(timer);
}
