/**
 * node scripts/run-ts.mjs scripts/chaos-remote.ts [MINUTES]: git, gcc and sqlite3 on files elsewhere, over connections that are
 * slow and cut at random, again and again; each time compared with the same on files here.
 */
import { compareWork } from '../test/support/served-work.ts';
import { sysroot } from '../test/support/sysroot.ts';

const minutes = Number(process.argv[2] ?? 10);
const made = sysroot();
if ('missing' in made) throw new Error(made.missing);
const end = Date.now() + minutes * 60_000;
let rounds = 0;
let cuts = 0;
while (Date.now() < end) {
  const life = 50 + Math.random() * 1000;
  const { here, elsewhere, filesHere, filesElsewhere, connections } = await compareWork(made.path, 3, {
    delay: Math.random() * 10,
    life,
  });
  rounds++;
  cuts += connections - 1;
  const same = JSON.stringify([here, filesHere]) === JSON.stringify([elsewhere, filesElsewhere]);
  console.log(`${rounds}: ${connections} connections, ${filesHere.length} files, ${same ? 'the same' : 'DIFFERENT'}`);
  if (same) continue;
  console.log(
    JSON.stringify({ here, elsewhere, missing: filesHere.filter((line) => !filesElsewhere.includes(line)) }, null, 1),
  );
  process.exit(1);
}
console.log(`${rounds} times the same, ${cuts} connections cut`);
