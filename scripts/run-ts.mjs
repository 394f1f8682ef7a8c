// Runs a TypeScript file of this repository: by Node itself where it strips types, else from a stripped copy in node_modules/.cache.
import { spawnSync } from 'node:child_process';

const [file, ...args] = process.argv.slice(2);
const strips = process.features.typescript !== undefined && process.features.typescript !== false;
const loader = new URL('strip-loader.mjs', import.meta.url).href;
const options = strips
  ? []
  : ['--import', `data:text/javascript,import{register}from'node:module';register('${loader}')`];
const { status, signal } = spawnSync(process.execPath, [...options, file, ...args], { stdio: 'inherit' });
if (signal !== null) process.kill(process.pid, signal);
process.exitCode = status ?? 1;
