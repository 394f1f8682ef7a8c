/** -k: the guest's stack, by the chain of frame pointers, as far as what is there can be one. */
import type { Task } from '../../kernel/task.ts';
import { PROT } from './names.ts';
import { symbolAt } from './symbols.ts';

const FRAMES = 64;
/** Within as many words of ESP lies the address that the vDSO's functions return to: they have saved EBX at most. */
const SAVED = 2;
type Vma = NonNullable<ReturnType<Task['mm']['vmas']['find']>>;
/** Places in task.regs. */
const [ESP, EBP, EIP] = [4, 5, 8];

export function backtrace(task: Task): string {
  const { regs, mm } = task;
  const lines = [line(task, regs[EIP])];
  const stack = mm.vmas.find(regs[ESP]);
  if (stack === undefined) return lines.join('');
  if (mm.vmas.find(regs[EIP])?.start === mm.vdso) {
    const caller = [...Array(SAVED).keys()].map((i) => mm.readU32(regs[ESP] + 4 * i)).find((at) => isReturn(task, at));
    if (caller !== undefined) lines.push(line(task, caller));
  }
  let frame = regs[EBP];
  for (let below = regs[ESP]; lines.length < FRAMES && frame >= below && frame < stack.end; ) {
    const [next, address] = [mm.readU32(frame), mm.readU32(frame + 4)];
    if (!isReturn(task, address)) break;
    lines.push(line(task, address));
    below = frame + 8;
    frame = next;
  }
  return lines.join('');
}

/** An address of code, behind a call. */
function isReturn({ mm }: Task, address: number): boolean {
  const vma = address > 0 ? mm.vmas.find(address) : undefined;
  if (vma === undefined || (vma.prot & PROT.PROT_EXEC) === 0) return false;
  const before = mm.view(Math.max(vma.start, address - 7), Math.min(7, address - vma.start), false);
  if (typeof before === 'number') return false;
  const byte = (back: number) => before[before.length - back];
  // CALL rel32; CALL r/m32: FF /2 with a ModRM byte and what that takes.
  if (byte(5) === 0xe8) return true;
  return [2, 3, 4, 6, 7].some((length) => byte(length) === 0xff && ((byte(length - 1) ?? 0) & 0x38) === 0x10);
}

/** ` > FILE(SYMBOL+0xOFFSET) [0xPLACE]`, where the place is one of the file. */
function line(task: Task, address: number): string {
  const vma = task.mm.vmas.find(address);
  if (vma === undefined) return ` > unexpected_backtracing_error [0x${address.toString(16)}]\n`;
  const found = symbolAt(task, imageOf(task, vma), address);
  const symbol = found === undefined ? '' : `${found.name}+0x${found.offset.toString(16)}`;
  return ` > ${task.mm.nameOf(vma)}(${symbol}) [0x${(address - vma.start + vma.offset).toString(16)}]\n`;
}

/** Where the file that the mapping is of begins in memory. */
function imageOf({ mm }: Task, vma: Vma): number {
  if (vma.object === null) return vma.start;
  let first = vma;
  for (let at: Vma | undefined = vma; at !== undefined && at.object === vma.object; ) {
    first = at;
    at = at.offset === 0 ? undefined : mm.vmas.find(at.start - 1);
  }
  return first.start;
}
