/** Runs programs on the real CPU and on Tallship, batch by batch, and collects what differs. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import { FlatCpuMemory } from '../../support/flat-cpu-memory.ts';
import { hardwareMemory } from '../../support/hardware-cpu-memory.ts';
import { isEqual } from './compare.ts';
import { EvalSubject } from './evaluate-subject.ts';
import { BATCH, Oracle } from './oracle.ts';
import type { Program } from './program.ts';
import type { Random } from './random.ts';
import { SLOT, Slots } from './slot.ts';
import { fill } from './state.ts';
import { CpuSubject, softwareMemory } from './subject.ts';

const SIGVTALRM = 26;
const PAGE_FAULT = 14;
/** CF PF AF ZF SF OF. */
const ARITHMETIC = 0x8d5;

/** Tallship's ways of running code. */
export type SubjectName = 'interpreter' | 'hardware' | 'compiler' | 'exactCompiler' | 'evaluator';

export interface Mismatch {
  readonly program: Program;
  readonly request: Slots;
  readonly native: Slots;
  readonly tallship: Slots;
  readonly subject: SubjectName;
}

export interface Statistics {
  cases: number;
  evaluated: number;
  compiled: number;
  protected: number;
  endless: number;
  lost: number;
}

export class Differ {
  readonly oracle = new Oracle();
  readonly interpreter = new CpuSubject(softwareMemory(), 'interpreted');
  /** With pages that the host protects; where it cannot, as the others. */
  readonly hardware = new CpuSubject(hardwareMemory() ?? softwareMemory(), 'interpreted');
  readonly compiler = new CpuSubject(hardwareMemory() ?? softwareMemory(), 'compiled');
  readonly exactCompiler = new CpuSubject(softwareMemory(), 'compiled exactly');
  readonly evaluator = new EvalSubject(new FlatCpuMemory());
  readonly statistics: Statistics = { cases: 0, evaluated: 0, compiled: 0, protected: 0, endless: 0, lost: 0 };
  readonly coverage = new Map<Row, number>();
  /** One case in this many also goes through the evaluator. */
  evaluatorShare = 64;
  /** One program in this many is compiled, one exactly so, and one runs with the host's page protection. */
  compilerShare = 32;
  #programs = 0;
  readonly #requests = new Slots(BATCH);
  readonly #native = new Slots(BATCH);
  readonly #tallship = new Slots(BATCH);
  readonly #out = new Slots(1);

  close(): void {
    this.oracle.close();
  }

  /** Fills the batch from `next` with `states` cases of each program; answers the programs, slot by slot. */
  #fillBatch(next: () => Program, states: number, random: Random): Program[] {
    const programs: Program[] = [];
    while (programs.length + states <= BATCH) {
      const program = next();
      for (let k = 0; k < states; k++) {
        fill(program, random, this.#requests, programs.length, k > 0);
        programs.push(program);
      }
    }
    return programs;
  }

  async batch(next: () => Program, states: number, random: Random): Promise<Mismatch[]> {
    const programs = this.#fillBatch(next, states, random);
    const count = programs.length;
    const native = this.oracle.run(this.#requests, count, this.#native);
    for (let i = 0; i < count; i++) {
      this.interpreter.run(this.#requests, i, this.#out);
      this.#tallship.copy(i, this.#out, 0);
    }
    try {
      await native;
    } catch (error) {
      this.oracle.restart();
      this.statistics.lost += count;
      console.error(String(error));
      return [];
    }
    return this.#compare(programs);
  }

  #compare(programs: readonly Program[]): Mismatch[] {
    const found: Mismatch[] = [];
    const { statistics } = this;
    programs.forEach((program, i) => {
      statistics.cases++;
      for (const { row } of program.steps) this.coverage.set(row, (this.coverage.get(row) ?? 0) + 1);
      if (i > 0 && program !== programs[i - 1]) this.#programs++;
      const part = this.#programs % this.compilerShare;
      if (part === 0) {
        statistics.compiled++;
        this.#runOther(program, i, 'compiler', found);
      } else if (part === 1) {
        statistics.compiled++;
        this.#runOther(program, i, 'exactCompiler', found);
      } else if (part === 2) {
        statistics.protected++;
        this.#runOther(program, i, 'hardware', found);
      }
      if (this.#isEndless(i)) statistics.endless++;
      else if (!isEqual(this.#native, i, this.#tallship, i))
        found.push(this.#mismatch(program, i, this.#tallship, i, 'interpreter'));
      else if (statistics.cases % this.evaluatorShare === 0) {
        statistics.evaluated++;
        this.#runOther(program, i, 'evaluator', found);
      }
    });
    return found;
  }

  /** Loops, on the processor as here: where either is stopped says nothing. */
  #isEndless(i: number): boolean {
    return [this.#native, this.#tallship].every((slots) => slots.get(i, SLOT.signo) === SIGVTALRM);
  }

  #runOther(program: Program, i: number, subject: SubjectName, found: Mismatch[]): void {
    this.answer(subject, this.#requests, this.#native, i, this.#out);
    if (!this.#isEndless(i) && !isEqual(this.#native, i, this.#out, 0))
      found.push(this.#mismatch(program, i, this.#out, 0, subject));
  }

  /** What a subject makes of slot `i` of the requests, in `out`, for comparison with the processor's answer. */
  answer(subject: SubjectName, requests: Slots, native: Slots, i: number, out: Slots): void {
    this[subject].run(requests, i, out);
    // Compiled code leaves flags alone that the program does not ask for: only a page fault's handler can see them.
    if (subject !== 'compiler' || out.get(0, SLOT.trapno) !== PAGE_FAULT) return;
    const flags = native.get(i, SLOT.eflags) & ARITHMETIC;
    out.set(0, SLOT.eflags, flags | (out.get(0, SLOT.eflags) & ~ARITHMETIC));
  }

  #mismatch(program: Program, i: number, tallship: Slots, j: number, subject: Mismatch['subject']): Mismatch {
    const one = (from: Slots, n: number): Slots => {
      const copy = new Slots(1);
      copy.copy(0, from, n);
      return copy;
    };
    const request = one(this.#requests, i);
    request.set(0, SLOT.isSameCode, 0);
    return { program, request, native: one(this.#native, i), tallship: one(tallship, j), subject };
  }
}
