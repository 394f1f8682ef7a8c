/** What a fatal signal leaves behind: a core that debuggers read, where the limit allows it. */
import { expect, it } from 'vitest';
import { SI_KERNEL, SIGQUIT, SIGTERM } from '../../src/abi/signal.ts';
import { readCore } from '../../src/checkpoint/core.ts';
import { defaultLimits, RLIMIT_CORE } from '../../src/kernel/limits.ts';
import { contentBytes, openFile, prepare } from '../support/machine.ts';

const NT_PRSTATUS = 1;
const NT_SIGINFO = 0x53494749;

async function die(signo: number, limit: number) {
  const { machine } = prepare('busy');
  const limits = defaultLimits();
  limits[RLIMIT_CORE] = { soft: limit, hard: limit };
  const pid = machine.spawn({ path: '/busy', argv: ['busy'], limits });
  const group = machine.kernel.groups.get(pid)!;
  machine.kernel.signals.sendToGroup(group, { signo, code: SI_KERNEL });
  return { machine, pid, outcome: await machine.run() };
}

it('has the signal, the thread and its memory', async () => {
  const { machine, pid, outcome } = await die(SIGQUIT, 2 ** 30);
  expect(outcome).toEqual({ signal: SIGQUIT, core: true });
  const bytes = contentBytes(machine, openFile(machine, '/core'));
  const read = (at: number, into: Uint8Array) => into.set(bytes.subarray(at, at + into.length));
  const { notes, segments } = readCore({ size: bytes.length, read });
  const words = (type: number) => {
    const note = notes.find((one) => one.type === type)!.bytes;
    return new DataView(note.buffer, note.byteOffset, note.length);
  };
  expect(words(NT_SIGINFO).getInt32(0, true)).toBe(SIGQUIT);
  expect(words(NT_PRSTATUS).getInt32(0, true)).toBe(SIGQUIT);
  expect(words(NT_PRSTATUS).getInt32(24, true)).toBe(pid);
  const esp = words(NT_PRSTATUS).getUint32(72 + 4 * 15, true);
  expect(segments.some(({ start, end }) => start <= esp && esp < end)).toBe(true);
});

it('is not there without a limit for it, nor for signals that only end', async () => {
  for (const [signo, limit] of [
    [SIGQUIT, 0],
    [SIGTERM, 2 ** 30],
  ]) {
    const { machine, outcome } = await die(signo, limit);
    expect(outcome).toEqual({ signal: signo, core: false });
    expect(() => openFile(machine, '/core')).toThrow('/core: -2');
  }
});
