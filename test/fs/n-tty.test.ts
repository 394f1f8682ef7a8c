/** The line discipline against what Linux's own did (fixtures/native/tty-golden.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EAGAIN } from '../../src/abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../src/abi/fs.ts';
import * as TTY from '../../src/abi/tty.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { newPtyState, PtyMaster, PtySlave } from '../../src/fs/pty.ts';
import { TtyFile } from '../../src/fs/tty.ts';
import { POLLIN } from '../../src/vfs/open-file.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { fakeJobs } from '../support/jobs.ts';
import { FakeCaller } from '../support/sleeper.ts';

type Settings = Partial<Record<'i+' | 'i-' | 'o+' | 'o-' | 'l+' | 'l-', number>> & { cc?: Record<string, number> };
interface Step {
  do: string;
  with?: string | number | Settings;
  answer?: string | number | boolean;
  screen: string;
}
const scenarios: { name: string; settings: Settings; steps: Step[] }[] = JSON.parse(
  readFileSync(new URL('../../fixtures/golden/tty.json', import.meta.url), 'utf8'),
);

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const text = (content: Uint8Array) => String.fromCharCode(...content);
const INDEX: Record<string, number> = { VMIN: TTY.VMIN, VTIME: TTY.VTIME, VEOL: TTY.VEOL, VEOL2: TTY.VEOL2 };
const inode = new AnonymousFileSystems().anonymous.make(0o600, 0, 0, 0n);

function changed(old: TTY.Termios, settings: Settings): TTY.Termios {
  const bits = (value: number, name: 'i' | 'o' | 'l') =>
    (value & ~(settings[`${name}-`] ?? 0)) | (settings[`${name}+`] ?? 0);
  const cc = [...old.cc];
  for (const [name, value] of Object.entries(settings.cc ?? {})) cc[INDEX[name]] = value;
  return { ...old, cc, iflag: bits(old.iflag, 'i'), oflag: bits(old.oflag, 'o'), lflag: bits(old.lflag, 'l') };
}

function pair() {
  const s = new FakeCaller();
  const slave = new PtySlave(newPtyState(0), fakeJobs());
  const master = new PtyMaster(slave, { now: () => s.now(), closed: () => {}, openSlave: () => 0 });
  const open = (tty: PtySlave | PtyMaster) => new TtyFile(tty, inode, O_RDWR | O_NONBLOCK);
  return { s, slave, files: { master: open(master), slave: open(slave) } };
}

function read(s: FakeCaller, file: TtyFile, count: number): string {
  const into = new Uint8Array(count);
  const answer = s.start(() => file.read(s, into));
  expect(answer).not.toBe(BLOCKED);
  return answer === -EAGAIN ? 'EAGAIN' : text(into.subarray(0, answer));
}

function perform({ s, slave, files }: ReturnType<typeof pair>, step: Step): unknown {
  switch (step.do) {
    case 'type':
    case 'typebytes':
      return void s.start(() => files.master.write(s, bytes(step.with as string)));
    case 'write':
      return void s.start(() => files.slave.write(s, bytes(step.with as string)));
    case 'set':
      return void slave.setTermios(s, changed(slave.termios, step.with as Settings), 'now');
    case 'setf':
      return void slave.setTermios(s, changed(slave.termios, step.with as Settings), 'flushed');
    case 'available':
      return slave.inputLength;
    case 'poll':
      return (files.slave.poll() & POLLIN) !== 0;
    default:
      return read(s, files.slave, step.with as number);
  }
}

describe('the line discipline', () => {
  for (const { name, settings, steps } of scenarios) {
    it(`does as Linux: ${name}`, () => {
      const pty = pair();
      pty.slave.setTermios(pty.s, changed(pty.slave.termios, settings), 'now');
      const seen = steps.map((step) => {
        const answer = perform(pty, step);
        const screen = read(pty.s, pty.files.master, 65536).replace('EAGAIN', '');
        return answer === undefined ? { screen } : { answer, screen };
      });
      expect(seen).toEqual(steps.map(({ answer, screen }) => (answer === undefined ? { screen } : { answer, screen })));
    });
  }
});
