/** One line of a plot. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly isDashed?: boolean;
}

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 170;
const TOP = 40;
const BOTTOM = 50;
const COLOURS = ['#0b6e99', '#d9480f', '#2b8a3e', '#862e9c', '#868e96', '#343a40', '#e67700', '#5c940d'];

/** Lines over logarithmic axes, as an SVG that stands for itself. */
export function plot(
  title: string,
  axes: { readonly x: string; readonly y: string },
  series: readonly Series[],
): string {
  const points = series.flatMap((each) => each.points).filter(([x, y]) => x > 0 && y > 0);
  const xs = scale(
    points.map(([x]) => x),
    LEFT,
    WIDTH - RIGHT,
  );
  const ys = scale(
    points.map(([, y]) => y),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="22" font-size="15" font-weight="bold">${title}</text>`,
  ];
  for (const tick of xs.ticks) {
    const x = xs.at(tick);
    parts.push(`<line x1="${x}" y1="${TOP}" x2="${x}" y2="${HEIGHT - BOTTOM}" stroke="#e9ecef"/>`);
    parts.push(`<text x="${x}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(tick)}</text>`);
  }
  for (const tick of ys.ticks) {
    const y = ys.at(tick);
    parts.push(`<line x1="${LEFT}" y1="${y}" x2="${WIDTH - RIGHT}" y2="${y}" stroke="#e9ecef"/>`);
    parts.push(`<text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${short(tick)}</text>`);
  }
  parts.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${axes.x}</text>`);
  parts.push(
    `<text x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">${axes.y}</text>`,
  );
  series.forEach((each, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const path = each.points.map(([x, y]) => `${xs.at(x).toFixed(1)},${ys.at(y).toFixed(1)}`).join(' ');
    const dash = each.isDashed ? ' stroke-dasharray="5 4"' : '';
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`);
    for (const [x, y] of each.points)
      parts.push(`<circle cx="${xs.at(x).toFixed(1)}" cy="${ys.at(y).toFixed(1)}" r="3" fill="${colour}"/>`);
    const y = TOP + 10 + index * 20;
    parts.push(
      `<line x1="${WIDTH - RIGHT + 12}" y1="${y}" x2="${WIDTH - RIGHT + 36}" y2="${y}" stroke="${colour}" stroke-width="2"${dash}/>`,
    );
    parts.push(`<text x="${WIDTH - RIGHT + 42}" y="${y + 4}">${each.name}</text>`);
  });
  parts.push('</svg>', '');
  return parts.join('\n');
}

/** Logarithmic, from one round number to another. */
function scale(values: readonly number[], from: number, to: number): { ticks: number[]; at(value: number): number } {
  const steps = [1, 2, 5];
  const least = Math.min(...values);
  const most = Math.max(...values);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1)
    for (const step of steps) ticks.push(step * 10 ** power);
  const low = Math.max(...ticks.filter((tick) => tick <= least));
  const high = Math.min(...ticks.filter((tick) => tick >= most));
  const span = Math.log(high / low) || 1;
  return {
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
    at: (value) => from + ((to - from) * Math.log(value / low)) / span,
  };
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e3) return `${value / 1e3} k`;
  return String(Number(value.toPrecision(2)));
}
