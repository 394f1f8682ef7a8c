/**
 * The terminal of a machine that runs without one of the host's: a pty of the guest, whose screen is the log and whoever is
 * attached, and whose keyboard is them.
 */
import { writeSync } from 'node:fs';
import { O_RDWR } from '../../abi/fs.ts';
import { SIGWINCH } from '../../abi/signal.ts';
import { newPtyState, type PtyMaster } from '../../fs/pty.ts';
import { TtyFile } from '../../fs/tty.ts';
import type { Machine } from '../../machine.ts';
import type { OpenFile } from '../../vfs/open-file.ts';

const PIECE = 8192;
const STDOUT = 1;
/** What nobody has seen yet is not told again; these bytes show a line-oriented program's last words. */
const TAIL = 4096;
const INITIAL_SIZE = { row: 24, col: 80, xpixel: 0, ypixel: 0 };

export type Viewer = (bytes: Uint8Array) => void;

export class Screen {
  readonly #machine: Machine;
  readonly #master: PtyMaster;
  readonly #viewers = new Set<Viewer>();
  readonly #waiter = { wake: () => this.#look() };
  #typed: Uint8Array[] = [];
  #tail = new Uint8Array(0);
  #looks = false;

  constructor(machine: Machine, uid: number) {
    this.#machine = machine;
    const state = { ...newPtyState(0), locked: false, windowSize: { ...INITIAL_SIZE } };
    this.#master = machine.pts.makePair(state, uid);
    this.#master.changed.waiters.add(this.#waiter);
  }

  /** Standard input, output and error: one description, as for a login shell. */
  files(): OpenFile[] {
    const node = this.#machine.pts.inodes.get(this.#master.slave.state.index)!;
    const file = new TtyFile(this.#master.slave, node, O_RDWR);
    return [file, file, file];
  }

  /** It is the controlling terminal of the first process, which is in its foreground. */
  control(machine: Machine, first: number): void {
    const group = machine.kernel.groups.get(first);
    if (group !== undefined) this.#master.slave.attach(group.session, group.processGroup);
  }

  /** @returns what forgets the viewer again. */
  attach(viewer: Viewer): () => void {
    if (this.#master.slave.discipline.canonical && this.#tail.length > 0) viewer(this.#tail);
    this.#viewers.add(viewer);
    return () => this.#viewers.delete(viewer);
  }

  /** A full-screen program draws itself anew when it is told of a size, so it is told of the one it has, too. */
  resize(row: number, col: number): void {
    const { slave } = this.#master;
    const before = slave.windowSize;
    const size = { ...before, row, col };
    if (row !== before.row || col !== before.col) slave.resize(size);
    else if (slave.foreground > 0) slave.jobs.signalGroup(slave.foreground, SIGWINCH);
  }

  type(bytes: Uint8Array): void {
    this.#typed.push(bytes);
    this.#feed();
  }

  /** The machine ends: its last words. */
  close(): void {
    this.#drain();
    this.#master.changed.waiters.delete(this.#waiter);
  }

  /** After the system call that wrote: it is in the middle of it. */
  #look(): void {
    if (this.#looks) return;
    this.#looks = true;
    setImmediate(() => {
      this.#looks = false;
      this.#drain();
      this.#feed();
    });
  }

  #drain(): void {
    const { slave } = this.#master;
    const piece = new Uint8Array(PIECE);
    while (slave.output.length > 0) {
      const bytes = piece.slice(0, slave.output.take(piece));
      writeSync(STDOUT, bytes);
      this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-TAIL);
      for (const viewer of this.#viewers) viewer(bytes);
      slave.outputTaken();
    }
  }

  #feed(): void {
    while (this.#typed.length > 0) {
      const [first] = this.#typed;
      const taken = this.#master.slave.discipline.receive(first, this.#machine.kernel.clock.now());
      if (taken < first.length) {
        this.#typed[0] = first.subarray(taken);
        return;
      }
      this.#typed.shift();
    }
  }
}
