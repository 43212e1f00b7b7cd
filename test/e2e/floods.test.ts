import { after, before, describe, it } from 'node:test';
import { buildPrograms, type BenchPrograms } from '../../src/cli/bench/programs.ts';
import type { Flood } from '../floods/flood.ts';
import { FLOODS } from '../floods/floods.ts';
import { type Pace, Session } from '../floods/session.ts';

const PACE: Pace = { warmMs: 0, quietMs: 0 };

/** Each flood checks what it saw, and that descriptors and threads come back. */
describe('a flood', () => {
  let programs: BenchPrograms;
  let session: Session | undefined;

  before(async () => {
    programs = buildPrograms();
    session = await Session.start(programs, {}, PACE);
  });

  after(() => session?.kill());

  const isPlain = ({ flags, place }: Flood): boolean => flags === undefined && place === undefined;

  // Every third one of the many: `npm run floods -- --short` takes all of them.
  for (const flood of FLOODS.filter(isPlain).filter((_, index) => index % 3 === 0))
    it(`of ${flood.about} (${flood.name}) leaves nothing behind`, () => session!.run(flood, flood.short));

  it('of all these kinds, one after the other, costs the healthy clients no event', async () => {
    await session!.end();
    session = undefined;
  });

  for (const flood of FLOODS.filter((each) => !isPlain(each)))
    it(`of ${flood.about} (${flood.name}) leaves nothing behind, and costs the healthy clients no event`, async (t) => {
      const lacking = flood.lacking?.();
      if (lacking) return t.skip(lacking);
      session = await Session.start(programs, flood, PACE);
      await session.run(flood, flood.short);
      await session.end();
      session = undefined;
    });
});
