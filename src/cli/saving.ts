/** Images of a machine while it runs: on request, on a signal, every so often. */
import { resolve } from 'node:path';
import type { CheckpointOptions, CheckpointReport } from '../checkpoint/checkpoint.ts';
import type { ImageSink } from '../checkpoint/image.ts';
import { DirectorySink } from '../host/image/directory-sink.ts';
import { DirectorySource } from '../host/image/directory-source.ts';
import { say } from '../host/node.ts';
import { PASSED_ON } from '../host/signals.ts';
import type { Machine } from '../machine.ts';
import { milliseconds } from './duration.ts';
import { CliError, EXIT } from './error.ts';
import type { Session } from './session.ts';
import { version } from './version.ts';

export interface SaveValues {
  readonly image: string | undefined;
  readonly 'on-signal': readonly string[];
  readonly every: string | undefined;
  readonly 'checkpoint-exit-code': number | undefined;
  readonly name: string | undefined;
}

/** How a machine is saved; one image at a time. */
export class Saver {
  readonly #machine: Machine;
  readonly #session: Session;
  #busy = false;

  constructor(machine: Machine, session: Session) {
    this.#machine = machine;
    this.#session = session;
  }

  /**
   * A machine that cannot be saved goes on; so does one whose image does not read back right.
   * @param leaveWith with `stop`: the exit status of this process.
   */
  async save(path: string, options: CheckpointOptions, leaveWith = 0): Promise<CheckpointReport> {
    if (this.#busy) throw new Error('an image is being made already');
    this.#busy = true;
    if (options.stop) this.#session.leaving = leaveWith;
    try {
      return await this.#machine.checkpoint(options.stop ? verifying(path) : path, { ...options, writer: version() });
    } catch (error) {
      this.#session.leaving = undefined;
      throw error;
    } finally {
      this.#busy = false;
    }
  }
}

/** An image after which the machine ends is read back before it does. */
function verifying(path: string): ImageSink {
  const sink = new DirectorySink(path);
  return {
    create: (name) => sink.create(name),
    abort: () => sink.abort(),
    async commit(manifest) {
      const complete = await sink.commit(manifest);
      (await DirectorySource.open(path)).close();
      return complete;
    },
  };
}

/** --on-signal, --every and --checkpoint-exit-code. */
export function saveAsAsked(session: Session, values: SaveValues, program: string): void {
  const path = resolve(values.image ?? `${values.name ?? program}.image`);
  const exitCode = exitCodeOf(values);
  session.reserved = exitCode;
  const save = async (stop: boolean) => {
    try {
      const { pause } = await (await session.saver()).save(path, { stop }, exitCode);
      say(`saved ${path} (paused for ${pause.toFixed(0)} ms)`);
    } catch (error) {
      say(`no image: ${(error as Error).message}`);
    }
  };
  for (const [signal, stop] of rulesOf(values)) session.intercept(signal, () => save(stop));
  if (values.every !== undefined) {
    setInterval(() => save(exitCode !== undefined), milliseconds('--every', values.every)).unref();
  }
}

function exitCodeOf({ 'checkpoint-exit-code': code, every, 'on-signal': rules }: SaveValues): number | undefined {
  if (code === undefined) return undefined;
  if (!Number.isInteger(code) || code < 1 || code > 255) {
    throw new CliError(EXIT.failure, `--checkpoint-exit-code ${code}: give a number from 1 to 255`);
  }
  if (every === undefined && rules.length === 0) {
    throw new CliError(EXIT.failure, '--checkpoint-exit-code: when? Give --every or --on-signal SIGNAL=save-exit, too');
  }
  return code;
}

function rulesOf(values: SaveValues) {
  return values['on-signal']
    .flatMap((list) => list.split(','))
    .map((rule) => {
      const match = /^(?:SIG)?([A-Z0-9]+)=(save|save-exit)$/.exec(rule);
      const signal = PASSED_ON.find((name) => name === `SIG${match?.[1]}`);
      if (match === null || signal === undefined) {
        throw new CliError(
          EXIT.failure,
          `--on-signal ${rule}: give SIGNAL=save or SIGNAL=save-exit, such as USR1=save`,
        );
      }
      return [signal, match[2] === 'save-exit'] as const;
    });
}
