import { Random } from '../support/random.ts';
import { ACTORS, kindAt, Kills } from './kills.ts';

// node build/test/kills/run.js [ACTOR ...] [--kills N] [--seed N]: so many deaths of each of these actors, under load.
const args = process.argv.slice(2);
const option = (name: string, byDefault: number): number => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? byDefault : Number(args.splice(at, 2)[1]);
};
const kills = option('kills', 200);
const seed = option('seed', 1);
const actors = args.length > 0 ? args : ACTORS;
for (const actor of actors) {
  const random = new Random(seed);
  const bench = await Kills.start({
    clients: 50,
    perSecond: 2_000,
    burst: 20_000,
    burstEveryMs: 10_000,
    random: () => random.next(),
  });
  for (let index = 0; index < kills && bench.faults.length === 0; index += 1) {
    const { kind, window, recoveryMs } = await bench.kill(actor, kindAt(index));
    if (process.stdout.isTTY) console.log(`${actor} ${index + 1}: ${kind} at ${window}, ${Math.round(recoveryMs)} ms`);
  }
  const sent = await bench.finish(60_000);
  const times = bench.deaths.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b);
  const quantile = (share: number): number => Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  console.log(
    `${actor}: ${bench.deaths.length} deaths, ${sent} records, ${bench.faults.length} faults, ` +
      `recovery p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`,
  );
  if (bench.faults.length > 0) {
    console.log(JSON.stringify(bench.faults.slice(0, 10)));
    process.exitCode = 1;
    break;
  }
}
