/** Splits text that comes in pieces into lines; empty ones are left out. */
export function textLines(onLine: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) if (line !== '') onLine(line);
  };
}
