// Runs a command (first argument) with its standard input and output 10 ms away, each way.
import { spawn } from 'node:child_process';

const DELAY = 10;
const child = spawn('/bin/sh', ['-c', process.argv[2]], { stdio: ['pipe', 'pipe', 'inherit'] });

function carry(from, to) {
  from.on('data', (bytes) => setTimeout(() => to.write(bytes), DELAY));
  from.on('end', () => setTimeout(() => to.end(), DELAY));
  to.on('error', () => {});
}
carry(process.stdin, child.stdin);
carry(child.stdout, process.stdout);
child.on('exit', (status) => setTimeout(() => process.exit(status ?? 1), 2 * DELAY));
