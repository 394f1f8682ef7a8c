/** The real CPU: fixtures/bin/cpu-oracle as a process that answers batches of slots in a shared file. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CODE, DATA, DATA_SIZE, ENTRY, SLOT, SLOT_SIZE, Slots, USER_CS, USER_DS } from './slot.ts';

const program = fileURLToPath(new URL('../../../fixtures/bin/cpu-oracle', import.meta.url));
/** Slots of the shared file: two batches are under way at a time. */
const FILE_SLOTS = 2048;
export const BATCH = FILE_SLOTS / 2;
const isShared = existsSync('/dev/shm');

export class Oracle {
  readonly #fd: number;
  readonly #directory: string;
  #child: ChildProcess;
  /** Answers are awaited in the order of the questions. */
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #received = Buffer.alloc(0);
  #half = 0;

  constructor() {
    this.#directory = mkdtempSync(join(isShared ? '/dev/shm' : tmpdir(), 'cpu-oracle-'));
    this.#fd = openSync(join(this.#directory, 'slots'), 'w+');
    ftruncateSync(this.#fd, FILE_SLOTS * SLOT_SIZE);
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit', this.#fd] });
    child.stdout!.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      while (this.#received.length >= 8) {
        this.#received = this.#received.subarray(8);
        this.#waiting.shift()?.resolve();
      }
    });
    child.stdin!.on('error', () => {});
    child.on('exit', (code, signal) => {
      const error = new Error(`the oracle ended: ${signal ?? code}`);
      for (const one of this.#waiting.splice(0)) one.reject(error);
    });
    return child;
  }

  /** After it died of a case. */
  restart(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
    this.#received = Buffer.alloc(0);
    this.#child = this.#start();
  }

  /** Runs the first `count` slots; the answers are in `replies` when the promise is kept. At most two calls at a time. */
  async run(requests: Slots, count: number, replies: Slots): Promise<void> {
    const first = this.#half * BATCH;
    this.#half ^= 1;
    writeSync(this.#fd, requests.u8, 0, count * SLOT_SIZE, first * SLOT_SIZE);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(first, 0);
    head.writeUInt32LE(count, 4);
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#child.stdin!.write(head);
    await done;
    readSync(this.#fd, replies.u8, 0, count * SLOT_SIZE, first * SLOT_SIZE);
  }

  /** The oracle's own memory, where cases have no business: [start, end). */
  ownMemory(): [number, number][] {
    const maps = readFileSync(`/proc/${this.#child.pid}/maps`, 'latin1');
    const ranges = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) /gm)].map(([, a, b]): [number, number] => [
      Number.parseInt(a, 16),
      Number.parseInt(b, 16),
    ]);
    return ranges.filter(([start]) => start !== CODE && !(start >= DATA && start < DATA + DATA_SIZE));
  }

  /** One case by itself. */
  async runOne(request: Slots): Promise<Slots> {
    const reply = new Slots(1);
    request.set(0, SLOT.isSameCode, 0);
    await this.run(request, 1, reply);
    return reply;
  }

  /** Does FDP change without an exception, too (CPUID.7.0:EBX, FDP_EXCPTN_ONLY)? */
  async keepsPointers(): Promise<boolean> {
    const request = new Slots(1);
    // fld qword ptr [eax]
    request.u8.set([0xdd, 0x00], SLOT.code);
    request.u8.set([USER_DS, 0, USER_CS, 0, USER_DS, 0, USER_DS, 0], SLOT.selectors);
    for (const [field, value] of [
      [SLOT.gpr, DATA + 0x1000],
      [SLOT.eflags, 0x202],
      [SLOT.eip, ENTRY],
      [SLOT.codeAddress, ENTRY],
      [SLOT.codeLength, 2],
      [SLOT.fx, 0x37f],
      [SLOT.fx + 24, 0x1f80],
    ])
      request.set(0, field, value);
    return (await this.runOne(request)).get(0, SLOT.fx + 16) !== 0;
  }

  close(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
    closeSync(this.#fd);
    rmSync(this.#directory, { recursive: true });
  }
}

/** Why this machine cannot be the oracle, or undefined if it can. */
export function whyNoOracle(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.arch !== 'x64' && process.arch !== 'ia32') return 'not an x86 processor';
  const probe = spawnSync(program, [], { stdio: ['ignore', 'ignore', 'ignore', openProbe()] });
  return probe.status === 0
    ? undefined
    : `cannot run ${program}: ${probe.error?.message ?? probe.signal ?? probe.status}`;
}

let probeFile: number | undefined;
function openProbe(): number {
  if (probeFile === undefined) {
    const directory = mkdtempSync(join(tmpdir(), 'cpu-oracle-'));
    probeFile = openSync(join(directory, 'slots'), 'w+');
    ftruncateSync(probeFile, FILE_SLOTS * SLOT_SIZE);
    rmSync(directory, { recursive: true });
  }
  return probeFile;
}
