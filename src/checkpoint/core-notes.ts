/** Notes of a core file that debuggers understand (elf.h, linux/elfcore.h, sys/procfs.h of i386). */

import { decodePath } from '../abi/path.ts';
import { SIGINFO_SIZE } from '../abi/signal.ts';
import { readEflags } from '../cpu/eflags.ts';
import { CS, DS, ES, FS, GS, SS, STATE } from '../cpu/state.ts';
import { FSAVE_SIZE, FXSAVE_SIZE, writeFsave, writeFxsave } from '../kernel/fpu-frame.ts';
import { TLS_FIRST } from '../kernel/registers.ts';
import { writeSiginfo } from '../kernel/siginfo.ts';
import type { SignalInfo } from '../kernel/signal-queue.ts';
import type { Task } from '../kernel/task.ts';
import type { ThreadGroup } from '../kernel/thread-group.ts';
import type { Mm } from '../memory/mm.ts';
import { PAGE_SIZE } from '../memory/page.ts';

export interface Note {
  name: string;
  type: number;
  bytes: Uint8Array;
}

const NT_PRSTATUS = 1;
const NT_FPREGSET = 2;
const NT_PRPSINFO = 3;
const NT_AUXV = 6;
const NT_386_TLS = 0x200;
const NT_PRXFPREG = 0x46e62b7f;
const NT_SIGINFO = 0x53494749;
const NT_FILE = 0x46494c45;

const PRSTATUS_SIZE = 144;
const PRPSINFO_SIZE = 124;
const TLS_ENTRY_SIZE = 16;

/** Words of struct user_regs_struct, from the register file: ebx ecx edx esi edi ebp eax. */
const USER_REGS = [3, 1, 2, 6, 7, 5, 0];

/** Why a process ends: debuggers show its thread first. */
export interface Death {
  readonly task: Task;
  readonly info: SignalInfo;
}

/** The notes of a process, those of the thread that dies (or its leader's, or first living thread's) first. */
export function coreNotes(group: ThreadGroup, mm: Mm, death?: Death): Note[] {
  const leading = death?.task ?? group.leader;
  const tasks = [...group.tasks].sort((a, b) => Number(b === leading) - Number(a === leading));
  const [first, ...others] = tasks;
  return [
    ...threadNotes(first, death?.info.signo ?? group.stopSignal),
    ...(death === undefined ? [] : [{ name: 'CORE', type: NT_SIGINFO, bytes: siginfo(death.info) }]),
    { name: 'CORE', type: NT_PRPSINFO, bytes: prpsinfo(first) },
    { name: 'CORE', type: NT_AUXV, bytes: new Uint8Array(mm.auxv.slice().buffer) },
    { name: 'CORE', type: NT_FILE, bytes: fileNote(mm) },
    ...floatNotes(first),
    ...others.flatMap((task) => [...threadNotes(task, 0), ...floatNotes(task)]),
  ];
}

const viewOf = (task: Task) => new DataView(task.registers.buffer, task.registers.byteOffset, task.registers.length);

function threadNotes(task: Task, signal: number): Note[] {
  return [{ name: 'CORE', type: NT_PRSTATUS, bytes: prstatus(task, signal) }];
}

function siginfo(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  writeSiginfo(info, new DataView(bytes.buffer), 0);
  return bytes;
}

function floatNotes(task: Task): Note[] {
  const fsave = new Uint8Array(FSAVE_SIZE);
  writeFsave(viewOf(task), new DataView(fsave.buffer), 0);
  const fxsave = new Uint8Array(FXSAVE_SIZE);
  writeFxsave(viewOf(task), new DataView(fxsave.buffer), 0);
  return [
    { name: 'CORE', type: NT_FPREGSET, bytes: fsave },
    { name: 'LINUX', type: NT_PRXFPREG, bytes: fxsave },
    { name: 'LINUX', type: NT_386_TLS, bytes: tls(task) },
  ];
}

function prstatus(task: Task, signal: number): Uint8Array {
  const { group } = task;
  const note = new DataView(new ArrayBuffer(PRSTATUS_SIZE));
  const put = (at: number, value: number) => note.setUint32(at, value >>> 0, true);
  put(0, signal);
  note.setUint16(12, signal, true);
  put(16, Number(task.pending.set & 0xffffffffn));
  put(20, Number(task.blocked & 0xffffffffn));
  put(24, task.tid);
  put(28, group.parent?.id ?? 0);
  put(32, group.processGroup);
  put(36, group.session.id);
  for (const [i, nanoseconds] of [task.usage.utime, task.usage.stime].entries()) {
    put(40 + 8 * i, Math.floor(nanoseconds / 1e9));
    put(44 + 8 * i, Math.floor((nanoseconds % 1e9) / 1000));
  }
  const state = viewOf(task);
  const segment = (index: number) => state.getUint32(STATE.selector + 4 * index, true);
  const general = USER_REGS.map((register) => state.getUint32(STATE.gpr + 4 * register, true));
  const [eip, esp] = [state.getUint32(STATE.eip, true), state.getUint32(STATE.gpr + 16, true)];
  const called = task.call.nr >= 0 ? task.call.nr : -1;
  const registers = [
    ...general,
    ...[segment(DS), segment(ES), segment(FS), segment(GS)],
    ...[called, eip, segment(CS), readEflags(task.registers), esp, segment(SS)],
  ];
  for (const [i, value] of registers.entries()) put(72 + 4 * i, value);
  put(140, 1);
  return new Uint8Array(note.buffer);
}

/** The arguments as ps shows them. */
export function commandOf(group: ThreadGroup): string {
  const [task] = group.tasks as Set<Task | undefined>;
  if (task === undefined) return group.leader.comm;
  const { argStart, argEnd } = task.mm;
  const bytes = new Uint8Array(Math.min(PAGE_SIZE, Math.max(0, argEnd - argStart)));
  if (bytes.length === 0 || task.mm.peek(argStart, bytes) < 0) return task.comm;
  return decodePath(bytes).split('\0').join(' ').trim();
}

const STATES = { runnable: 'R', sleeping: 'S', stopped: 'T', dead: 'Z' } as const;

function prpsinfo(task: Task): Uint8Array {
  const { group, credentials } = task;
  const bytes = new Uint8Array(PRPSINFO_SIZE);
  const note = new DataView(bytes.buffer);
  const letter = STATES[task.runState];
  note.setUint8(0, 'RSDTZW'.indexOf(letter));
  note.setUint8(1, letter.charCodeAt(0));
  note.setInt8(3, task.nice);
  note.setUint16(8, credentials.uid & 0xffff, true);
  note.setUint16(10, credentials.gid & 0xffff, true);
  const ids = [group.id, group.parent?.id ?? 0, group.processGroup, group.session.id];
  for (const [i, id] of ids.entries()) note.setUint32(12 + 4 * i, id, true);
  putText(bytes, 28, 16, task.comm);
  putText(bytes, 44, 80, commandOf(group));
  return bytes;
}

function putText(bytes: Uint8Array, at: number, length: number, text: string): void {
  bytes.set(new TextEncoder().encode(text).subarray(0, length - 1), at);
}

function tls(task: Task): Uint8Array {
  const note = new DataView(new ArrayBuffer(3 * TLS_ENTRY_SIZE));
  for (const [i, entry] of task.tls.entries()) {
    const words = [TLS_FIRST + i, entry?.base ?? 0, entry?.limit ?? 0, entry?.flags ?? 0];
    for (const [word, value] of words.entries()) note.setUint32(i * TLS_ENTRY_SIZE + 4 * word, value >>> 0, true);
  }
  return new Uint8Array(note.buffer);
}

/** What is mapped where: gdb's `info proc mappings`, and the contents of pages that the core has not. */
function fileNote(mm: Mm): Uint8Array {
  const mapped = [...mm.vmas].filter(({ object }) => object?.backing != null);
  const names = new TextEncoder().encode(mapped.map(({ object }) => `${object!.backing!.path}\0`).join(''));
  const note = new DataView(new ArrayBuffer(8 + 12 * mapped.length + names.length));
  note.setUint32(0, mapped.length, true);
  note.setUint32(4, PAGE_SIZE, true);
  for (const [i, { start, end, offset }] of mapped.entries()) {
    const at = 8 + 12 * i;
    note.setUint32(at, start, true);
    note.setUint32(at + 4, end, true);
    note.setUint32(at + 8, offset / PAGE_SIZE, true);
  }
  new Uint8Array(note.buffer).set(names, 8 + 12 * mapped.length);
  return new Uint8Array(note.buffer);
}
