import { SIGBUS, SIGFPE, SIGSEGV } from '../abi/signal.ts';
import type { Cpu } from '../cpu/cpu.ts';
import type { ExitReason } from '../cpu/exit.ts';
import { STATE_SIZE } from '../cpu/state.ts';
import type { Mm } from '../memory/mm.ts';
import { RLIMIT_CORE } from './limits.ts';
import type { Task } from './task.ts';

const FAULTS = [SIGSEGV, SIGBUS, SIGFPE];

/** The CPU of one address space, and whose registers are in it: threads of a process take turns. */
export class Processor {
  readonly cpu: Cpu;
  readonly mm: Mm;
  current: Task | null = null;
  /** eax ... edi, eip of the current task. */
  readonly regs: Uint32Array;
  /** Its whole register file (cpu/state.ts). */
  readonly state: DataView;

  constructor(cpu: Cpu, mm: Mm) {
    this.cpu = cpu;
    this.mm = mm;
    this.regs = new Uint32Array(cpu.regs.buffer, cpu.regs.byteOffset, 9);
    this.state = new DataView(cpu.regs.buffer, cpu.regs.byteOffset, STATE_SIZE);
  }

  /** Puts a task's registers on the CPU. */
  attach(task: Task): void {
    if (this.current === task) return;
    this.detach();
    this.cpu.load(task.registers);
    this.current = task;
  }

  /** Takes the current task's registers back to where they are data. */
  detach(): void {
    if (this.current === null) return;
    this.cpu.save(this.current.registers);
    this.current = null;
  }

  run(budget: number): ExitReason {
    return this.cpu.run(budget, this.#isWatched());
  }
  /** Someone may see where a fault is, or go on after it: it does not just kill. */
  #isWatched(): boolean {
    const { group, kernel } = this.current!;
    if (this.mm.resumable || kernel.watcher?.hearsSignals === true) return true;
    return FAULTS.some((signal) => group.handles(signal)) || group.limits[RLIMIT_CORE].soft !== 0;
  }
  eflags(): number {
    return this.cpu.eflags();
  }
  setEflags(value: number): void {
    this.cpu.setEflags(value);
  }
}
