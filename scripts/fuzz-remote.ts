/** node scripts/run-ts.mjs scripts/fuzz-remote.ts [COUNT [SEED]]: malformed frames for the server and the client of files elsewhere. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostFs } from '../src/fs/host.ts';
import { HostFiles, hostIds } from '../src/host/files.ts';
import { fuzzClient, fuzzServer } from '../test/support/frame-fuzzer.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const path = mkdtempSync(join(tmpdir(), 'tallship-fuzz-'));
process.on('exit', () => rmSync(path, { recursive: true, force: true }));
const tree = HostFs.open({ files: new HostFiles(), path, device: 1, readOnly: false, ...hostIds() });
if (typeof tree === 'number') throw new Error(`${path}: ${tree}`);
console.log(`seed ${seed}`);
console.log(`server: ${count} frames, ${fuzzServer(tree, count, seed)} connections closed`);
console.log(`client: ${count} frames, ${fuzzClient(count, seed)} connections closed`);
