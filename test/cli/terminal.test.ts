/** On a terminal: what the keyboard does to a program, and what remains of it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Terminal, tallshipCommand } from '../support/terminal.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
const WORDCOUNT = fixture('wordcount');
const LOOP = fixture('integer-loop');
const INTERRUPT = '\x03';
const QUIT = '\x1c';
const SUSPEND = '\x1a';
const END = '\x04';

describe('terminal', () => {
  it('reads lines that the terminal edits, to an end of file', async () => {
    const terminal = Terminal.tallship([WORDCOUNT], '/');
    terminal.type('one twx\x7fo\n');
    await terminal.see('one tw');
    terminal.type(END);
    await terminal.see('1       2       8');
    expect(await terminal.end()).toBe(0);
  });

  it.each([
    ['Ctrl-C', INTERRUPT, 130],
    ['Ctrl-\\', QUIT, 131],
  ])('%s ends a program that reads, and one that computes', async (_name, key, status) => {
    for (const argv of [[WORDCOUNT], [LOOP, '4000000000']]) {
      const terminal = new Terminal(`echo ready; exec ${tallshipCommand(argv)}`, '/');
      await terminal.see('ready');
      await new Promise((resolve) => setTimeout(resolve, 3000));
      terminal.type(key);
      expect(await terminal.end()).toBe(status);
    }
  });

  it('is stopped by Ctrl-Z, and goes on', async () => {
    const terminal = new Terminal(`exec bash --norc -i`, '/');
    await terminal.see('$ ');
    terminal.type(`${tallshipCommand([WORDCOUNT])}\n`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    terminal.type(`one\n`);
    await terminal.see('one');
    terminal.type(SUSPEND);
    await terminal.see('Stopped');
    terminal.type('fg\n');
    await terminal.see('wordcount');
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type(`two\n${END}`);
    await terminal.see('2       2       8');
    terminal.type('exit 5\n');
    expect(await terminal.end()).toBe(5);
  });
});
