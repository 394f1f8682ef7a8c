/**
 * A connection that breaks: runs a command in a session of its own and passes its input and output on, until so many bytes
 * have gone there. relay.mjs FILE BYTES COMMAND...: only the first one of a FILE breaks; it tells there what has passed.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';

const [file, most, ...command] = process.argv.slice(2);
const breaks = !existsSync(file);
writeFileSync(file, '0', { flag: 'a' });
const child = spawn(command[0], command.slice(1), { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
let passed = 0;
process.stdin.on('data', (bytes) => {
  passed += bytes.length;
  if (breaks && passed >= Number(most)) process.exit(1);
  child.stdin.write(bytes);
  if (breaks) writeFileSync(file, String(passed));
});
process.stdin.on('end', () => child.stdin.end());
child.stdout.pipe(process.stdout);
child.on('exit', () => process.exit(0));
child.stdin.on('error', () => process.exit(1));
process.stdout.on('error', () => process.exit(1));
