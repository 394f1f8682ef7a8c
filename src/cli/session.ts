/** One run of a machine on our caller's terminal and signals, to its end. */
import { constants } from 'node:os';
import { say } from '../host/node.ts';
import { dieOf, exitAtOnce, type PassedOn, receiveSignals, stopLike } from '../host/signals.ts';
import type { Terminal } from '../host/tty.ts';
import type { Save } from '../kernel/save-requests.ts';
import type { ExitStatus, Machine, SpawnOptions } from '../machine.ts';
import { withdraw } from './control/announce.ts';
import { EXIT } from './error.ts';
import type { Home } from './migrate/home.ts';
import type { Saver, SaveValues } from './saving.ts';

/** How long after SIGKILL to all we wait for the machine to end. */
const GRACE_MS = 2000;
const SIGKILL = 9;

/** What the terminal's line discipline sends: for the foreground group. Others are for the first process alone. */
const FROM_TERMINAL: readonly PassedOn[] = ['SIGINT', 'SIGQUIT', 'SIGTSTP', 'SIGWINCH', 'SIGCONT', 'SIGHUP'];
const STOPS = ['SIGTSTP', 'SIGSTOP', 'SIGTTIN', 'SIGTTOU'] as const;

/** A signal for a machine is for its first process, and one of the terminal's for the foreground. */
export function signalMachine({ kernel, console }: Machine, firstId: number, name: PassedOn): void {
  const info = { signo: constants.signals[name], code: 0 };
  const first = kernel.groups.get(firstId);
  if (FROM_TERMINAL.includes(name)) {
    const group = console?.foreground || first?.processGroup || 0;
    kernel.signals.sendToProcessGroup(group, info);
    if (name !== 'SIGHUP' || group === firstId) return;
  }
  if (first !== undefined) kernel.signals.sendToGroup(first, info);
}

export function killAll({ kernel }: Machine): void {
  for (const group of [...kernel.groups.values()]) kernel.signals.sendToGroup(group, { signo: SIGKILL, code: 0 });
}

/** --max-insns: what was halted ends, without another instruction. */
export function endHalted(machine: Machine, tell: (line: string) => void): Promise<ExitStatus> {
  const { scheduler } = machine.kernel;
  tell(`stopped after ${scheduler.instructions} instructions (--max-insns)`);
  scheduler.haltAt = Infinity;
  killAll(machine);
  return machine.run();
}

export class Session {
  readonly #machine: Machine;
  readonly #terminal: Terminal | null;
  readonly #intercepted = new Map<PassedOn, () => void>();
  /** Our exit status when the machine does not end here, but goes on elsewhere from an image. */
  leaving: number | undefined;
  /** An exit status that says that there is an image: the guest's own must not be taken for it. */
  reserved: number | undefined;
  /** Where the machine runs, when that is not here any more. */
  elsewhere: Home | undefined;
  /** A stopped guest does not stop us: in the background, nobody would see it, and nobody could be told to continue it. */
  staysAwake = false;
  /** It is on its way there. */
  isMoving = false;
  /** --checkpoint-at: what is to be done there, and where the machine halts next. */
  atHalt: { save(): Promise<boolean>; readonly next?: number } | undefined;
  #saver: Saver | undefined;
  #first = 0;
  #timedOut = false;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #isHalted = false;
  /** The guest ended by itself: what it did to the terminal is what it wanted. */
  #ended = false;

  constructor(machine: Machine, terminal: Terminal | null) {
    this.#machine = machine;
    this.#terminal = terminal;
  }

  /** --timeout or --max-insns has ended the machine. */
  get isStopped(): boolean {
    return this.#timedOut || this.#isHalted;
  }

  /** The first process's id. */
  get first(): number {
    return this.#first;
  }

  start(program: SpawnOptions): void {
    this.#machine.spawn({ ...program, terminal: this.#machine.console ?? undefined });
    this.attend();
  }

  /** A machine that has its processes: from now on signals and stops are passed on. */
  attend(): void {
    this.#first = this.#machine.first;
    this.#machine.kernel.onStop = (group, signal) => {
      if (group.id === this.#first && !this.staysAwake) this.#stop(signal);
    };
    receiveSignals((name) => this.#pass(name));
    process.on('exit', () => {
      if (!this.#ended) this.#terminal?.restore();
    });
  }

  async run(timeout: number | undefined): Promise<ExitStatus> {
    const timer = timeout === undefined ? undefined : setTimeout(() => this.#expire(), timeout * 1000);
    try {
      const end = await this.#runOn();
      if (this.elsewhere !== undefined) return await this.elsewhere.end;
      return this.#machine.kernel.groups.size > 0 && this.leaving === undefined ? await this.#halt() : end;
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#grace);
    }
  }

  /** To its end, or to where it halts for good. */
  async #runOn(): Promise<ExitStatus> {
    const end = await this.#machine.run();
    const { groups, scheduler } = this.#machine.kernel;
    if (this.atHalt === undefined || groups.size === 0 || scheduler.instructions < scheduler.haltAt) return end;
    const { save, next = Infinity } = this.atHalt;
    this.atHalt = undefined;
    if (next <= scheduler.instructions) return end;
    await save();
    scheduler.haltAt = next;
    return this.#runOn();
  }

  /** Programs may ask for images. */
  letAsk(save: Save): void {
    this.#machine.kernel.saves.save = save;
  }

  /**
   * The exit status that our caller sees; a guest killed by a signal takes us with it.
   * @param failure the status, when we have failed after the guest's end.
   */
  finish(end: ExitStatus, failure?: number): number {
    withdraw();
    if (failure !== undefined) {
      this.#terminal?.restore();
      return failure;
    }
    if (this.isStopped) return EXIT.timeout;
    if (end.signal === undefined) {
      this.#ended = true;
      return this.#unreserved(end.status);
    }
    this.#terminal?.restore();
    return dieOf(end.signal);
  }

  #unreserved(status: number): number {
    if (status !== this.reserved) return status;
    say(`the program's own exit status was ${status}, which is that of a checkpoint: it is told as 1`);
    return 1;
  }

  /** Loaded when an image is wanted, or could be. */
  async saver(): Promise<Saver> {
    const { Saver } = await import('./saving.ts');
    this.#saver ??= new Saver(this.#machine, this);
    return this.#saver;
  }

  /** Images that the run makes of itself. */
  async saveAsAsked(values: SaveValues, program: string): Promise<void> {
    const asked =
      values['on-signal'].length > 0 ||
      values.every !== undefined ||
      values['on-request'] ||
      values['checkpoint-at'] !== undefined;
    if (!asked && values['checkpoint-exit-code'] === undefined) return;
    (await import('./saving.ts')).saveAsAsked(this, values, program);
  }

  /** The machine does not end here. */
  leave(): number {
    withdraw();
    this.#terminal?.restore();
    return this.leaving ?? 0;
  }

  /** The machine does not run here any more: we are what it has here. */
  goesOnElsewhere(home: Home): void {
    this.elsewhere = home;
    home.begin();
  }

  /** From now on this signal is not the guest's. */
  intercept(name: PassedOn, handler: () => void): void {
    this.#intercepted.set(name, handler);
  }

  #pass(name: PassedOn): void {
    const intercepted = this.#intercepted.get(name);
    if (intercepted !== undefined) return intercepted();
    if (this.elsewhere !== undefined) this.elsewhere.signal(name);
    else signalMachine(this.#machine, this.#first, name);
  }

  /** The guest was stopped: so are we, until someone continues us; SIGCONT is then passed on like any signal. */
  #stop(signal: number): void {
    const name = STOPS.find((stop) => constants.signals[stop] === signal);
    // After the slice: the guest's other tasks have been told by then.
    if (name !== undefined) setImmediate(() => stopLike(name));
  }

  /** The machine has executed what it may: everything ends here, without another instruction. */
  #halt(): Promise<ExitStatus> {
    this.#isHalted = true;
    return endHalted(this.#machine, say);
  }

  #expire(): void {
    this.#timedOut = true;
    if (this.elsewhere !== undefined) this.elsewhere.kill();
    else killAll(this.#machine);
    this.#grace = setTimeout(() => exitAtOnce(this.finish({ status: EXIT.timeout })), GRACE_MS).unref();
  }
}
