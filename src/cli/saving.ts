/** --on-signal: a machine that makes images of itself. */
import { resolve } from 'node:path';
import { say } from '../host/node.ts';
import { PASSED_ON, type PassedOn } from '../host/signals.ts';
import type { Machine } from '../machine.ts';
import { CliError, EXIT } from './error.ts';
import type { Session } from './session.ts';

export interface SaveValues {
  readonly image: string | undefined;
  readonly 'on-signal': readonly string[];
  readonly name: string | undefined;
}

export class Saving {
  readonly #machine: Machine;
  readonly #path: string;
  readonly #session: Session;
  #busy = false;

  constructor(machine: Machine, session: Session, values: SaveValues, program: string) {
    this.#machine = machine;
    this.#session = session;
    this.#path = resolve(values.image ?? `${values.name ?? program}.image`);
    for (const rule of values['on-signal'].flatMap((list) => list.split(','))) {
      const match = /^(?:SIG)?([A-Z0-9]+)=(save|save-exit)$/.exec(rule);
      const signal = PASSED_ON.find((name) => name === `SIG${match?.[1]}`);
      if (match === null || signal === undefined)
        throw new CliError(
          EXIT.failure,
          `--on-signal ${rule}: give SIGNAL=save or SIGNAL=save-exit, such as USR1=save`,
        );
      session.intercept(signal satisfies PassedOn, () => this.#save(match[2] === 'save-exit'));
    }
  }

  /** A machine that cannot be saved goes on. */
  async #save(stop: boolean): Promise<void> {
    if (this.#busy) return say('an image is being made already');
    this.#busy = true;
    try {
      const report = await this.#machine.checkpoint(this.#path, { stop });
      this.#session.isMoving = stop;
      const { pause } = report;
      say(`saved ${this.#path} (paused for ${pause.toFixed(0)} ms)`);
    } catch (error) {
      say(`no image: ${(error as Error).message}`);
    }
    this.#busy = false;
  }
}
