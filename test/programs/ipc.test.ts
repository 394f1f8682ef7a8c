import { readdirSync, readFileSync } from 'node:fs';
import { programs } from '../support/program.ts';

const folder = new URL('./ipc/', import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith('.py'));
const files = Object.fromEntries(scripts.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

/** Pipes, sockets, inotify and memfd, asked through Python for every answer that a program could depend on. */
programs(
  'ipc',
  ['pipes', 'unix_sockets', 'loopback', 'watches', 'memory_files', 'queues'].map((name) => ({
    name: name.replace('_', ' '),
    run: ['/usr/bin/python3', '-B', `${name}.py`],
    files,
  })),
);
