/**
 * node scripts/run-ts.mjs scripts/chaos-remote.ts [MINUTES]: git, gcc and sqlite3 on files elsewhere, again and again, over
 * connections that are slow, cut at random, late at one end, and sent twice; in every second round the server is killed and
 * started again besides. Each time compared with the same on files here.
 */
import { compareWork } from '../test/support/served-work.ts';
import { sysroot } from '../test/support/sysroot.ts';

const minutes = Number(process.argv[2] ?? 10);
const made = sysroot();
if ('missing' in made) throw new Error(made.missing);
const end = Date.now() + minutes * 60_000;
const total = { rounds: 0, cuts: 0, late: 0, twice: 0, kills: 0 };
while (Date.now() < end) {
  const life = 50 + Math.random() * 1000;
  const proxy = { delay: Math.random() * 10, life, late: 0.5, twice: 0.3 };
  const pause = total.rounds % 2 === 1 ? 500 + Math.random() * 2000 : Number.POSITIVE_INFINITY;
  const done = await compareWork(made.path, 3, proxy, [], pause);
  const { here, elsewhere, filesHere, filesElsewhere } = done;
  total.rounds++;
  total.cuts += done.connections - 1;
  for (const count of ['late', 'twice', 'kills'] as const) total[count] += done[count];
  const outcome = (one: typeof here) => [one.status, one.stdout];
  const same =
    JSON.stringify([outcome(here), filesHere]) === JSON.stringify([outcome(elsewhere), filesElsewhere]) &&
    (done.kills > 0 || elsewhere.stderr === here.stderr);
  const { connections, late, twice, kills } = done;
  console.log(
    `${total.rounds}: ${connections} connections, ${late} late, ${twice} twice, ${kills} kills, ${filesHere.length} files, ${same ? 'the same' : 'DIFFERENT'}`,
  );
  if (same) continue;
  const missing = filesHere.filter((line) => !filesElsewhere.includes(line));
  const more = filesElsewhere.filter((line) => !filesHere.includes(line));
  console.log(JSON.stringify({ here, elsewhere, missing, more }, null, 1));
  process.exit(1);
}
console.log(`the same each time: ${JSON.stringify(total)}`);
