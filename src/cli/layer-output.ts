/** Where layers write: files, pipes to commands, standard error. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';

const CHUNK = 65536;
/** Someone may be looking on. */
const FLUSH_AFTER_MS = 200;
const flushes: (() => void)[] = [];
let atExit = false;

export function writeError(text: string): void {
  try {
    writeAll(2, text);
  } catch {} // nobody listens
}

/** Bytes that stand in text as themselves: what traces quote is ASCII, names may be anything. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Text is collected: a write of its own for every line would cost more than the line. */
export function openOutput(path: string): (text: string) => void {
  const write = path.startsWith('|') ? openPipe(path.slice(1)) : openFile(path);
  let parts: string[] = [];
  let size = 0;
  const flush = () => {
    if (size === 0) return;
    const text = parts.join('');
    parts = [];
    size = 0;
    write(text);
  };
  atEnd(flush);
  return (text) => {
    if (size === 0) setTimeout(flush, FLUSH_AFTER_MS).unref();
    parts.push(text);
    size += text.length;
    if (size >= CHUNK) flush();
  };
}

function atEnd(flush: () => void): void {
  flushes.push(flush);
  if (atExit) return;
  atExit = true;
  process.on('exit', () => {
    for (const each of flushes) each();
  });
}

function openFile(path: string): (text: string) => void {
  const fd = openSync(path, 'w');
  atEnd(() => setImmediate(() => closeSync(fd)));
  return (text) => writeAll(fd, text);
}

/** `-o '|command'`: the command gets what is written until we end. */
function openPipe(command: string): (text: string) => void {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.on('error', () => {});
  child.unref();
  return (text) => void child.stdin.write(text);
}
