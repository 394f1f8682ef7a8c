/** node scripts/run-ts.mjs scripts/fuzz-remote.ts [COUNT [SEED]]: malformed frames for the server and the client of files elsewhere. */
import { MemFs } from '../src/fs/memfs.ts';
import { fuzzClient, fuzzServer } from '../test/support/frame-fuzzer.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const tree = new MemFs({ device: 1, now: 0n, mode: 0o755 });
console.log(`seed ${seed}`);
console.log(`server: ${count} frames, ${fuzzServer(tree, count, seed)} connections closed`);
console.log(`client: ${count} frames, ${fuzzClient(count, seed)} connections closed`);
