/** Images of a machine while it runs: on request, on a signal, every so often. */
import { basename, resolve } from 'node:path';
import type { CheckpointOptions, CheckpointReport } from '../checkpoint/checkpoint.ts';
import type { History } from '../checkpoint/cores.ts';
import type { ImageSink } from '../checkpoint/image.ts';
import { DirectorySink } from '../host/image/directory-sink.ts';
import { openSource } from '../host/image/open-source.ts';
import { say } from '../host/node.ts';
import { PASSED_ON } from '../host/signals.ts';
import type { Codec } from '../host/store/codec.ts';
import { imagesOf, storeOf } from '../host/store/store.ts';
import { StoreWriter } from '../host/store/store-sink.ts';
import type { Machine } from '../machine.ts';
import { milliseconds } from './duration.ts';
import { CliError, EXIT } from './error.ts';
import type { Session } from './session.ts';
import { version } from './version.ts';

/** Where an image goes. */
export interface Target {
  readonly path: string;
  /** It is in a store, and how what is new there is packed. */
  readonly codec?: Codec;
}

export interface StoreValues {
  readonly store: string | undefined;
  readonly compress: 'deflate' | 'zstd' | undefined;
}

/** @param name of the image: a path, or its name in the store. */
export function targetOf(name: string, { store, compress }: StoreValues): Target {
  if (store === undefined && compress !== undefined) {
    throw new CliError(EXIT.failure, `--compress ${compress}: of images in a store; give --store, too`);
  }
  if (store === undefined) return { path: resolve(name) };
  if (basename(name) !== name) throw new CliError(EXIT.failure, `${name}: an image in a store has a name, not a path`);
  return { path: resolve(imagesOf(store), name), codec: compress ?? 'none' };
}

export interface SaveValues extends StoreValues {
  readonly image: string | undefined;
  readonly 'on-signal': readonly string[];
  readonly every: string | undefined;
  readonly 'checkpoint-exit-code': number | undefined;
  readonly 'on-request': boolean;
  readonly 'checkpoint-at'?: number | undefined;
  readonly 'max-insns'?: number | undefined;
  readonly name: string | undefined;
}

/** How a machine is saved; one image at a time. */
export class Saver {
  readonly #machine: Machine;
  readonly #session: Session;
  readonly #stores = new Map<string, { readonly writer: StoreWriter; readonly history: History }>();
  #busy = false;

  constructor(machine: Machine, session: Session) {
    this.#machine = machine;
    this.#session = session;
  }

  /**
   * A machine that cannot be saved goes on; so does one whose image does not read back right.
   * @param leaveWith with `stop`: the exit status of this process.
   */
  async save(target: Target, options: CheckpointOptions, leaveWith = 0): Promise<CheckpointReport> {
    if (this.#busy) throw new Error('an image is being made already');
    if (this.#session.isMoving) throw new Error('it is on its way to another host');
    if (this.#session.elsewhere !== undefined) throw new Error('it runs on another host');
    this.#busy = true;
    if (options.stop) this.#session.leaving = leaveWith;
    try {
      const { sink, history } = await this.#open(target);
      const to = options.stop ? verifying(sink, target.path) : sink;
      return await this.#machine.checkpoint(to, { ...options, history, writer: version() });
    } catch (error) {
      this.#session.leaving = undefined;
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** Images in one store begin with the one before, if that is still there. */
  async #open({ path, codec }: Target): Promise<{ readonly sink: ImageSink; readonly history?: History }> {
    if (codec === undefined) return { sink: new DirectorySink(path) };
    const key = `${storeOf(path)}\0${codec}`;
    const known = this.#stores.get(key) ?? { writer: new StoreWriter(storeOf(path), codec), history: new Map() };
    this.#stores.set(key, known);
    const { writer, history } = known;
    const sink = await writer.sink(basename(path));
    if (writer.before.size === 0) history.clear();
    return { sink, history };
  }
}

/** An image after which the machine ends is read back before it does. */
function verifying(sink: ImageSink, path: string): ImageSink {
  return {
    create: (name) => sink.create(name),
    abort: () => sink.abort(),
    async commit(manifest) {
      const complete = await sink.commit(manifest);
      const source = await openSource(path);
      try {
        source.verify();
      } finally {
        source.close();
      }
      return complete;
    },
  };
}

/** --on-signal, --every, --on-request, --checkpoint-at and --checkpoint-exit-code. */
export function saveAsAsked(session: Session, values: SaveValues, program: string): void {
  const name = values.name ?? program;
  const target = targetOf(values.image ?? (values.store === undefined ? `${name}.image` : name), values);
  const exitCode = exitCodeOf(values);
  session.reserved = exitCode;
  const save = async (stop: boolean): Promise<boolean> => {
    try {
      const { pause } = await (await session.saver()).save(target, { stop }, exitCode);
      say(`saved ${target.path} (paused for ${pause.toFixed(0)} ms)`);
      return true;
    } catch (error) {
      say(`no image: ${(error as Error).message}`);
      return false;
    }
  };
  for (const [signal, stop] of rulesOf(values)) session.intercept(signal, () => void save(stop));
  if (values.every !== undefined) {
    setInterval(() => void save(exitCode !== undefined), milliseconds('--every', values.every)).unref();
  }
  if (values['on-request']) session.letAsk(save);
  if (values['checkpoint-at'] !== undefined) session.atHalt = { save: () => save(false), next: values['max-insns'] };
}

function exitCodeOf({
  'checkpoint-exit-code': code,
  every,
  'on-signal': rules,
  'on-request': onRequest,
}: SaveValues): number | undefined {
  if (code === undefined) return undefined;
  if (!Number.isInteger(code) || code < 1 || code > 255) {
    throw new CliError(EXIT.failure, `--checkpoint-exit-code ${code}: give a number from 1 to 255`);
  }
  if (every === undefined && rules.length === 0 && !onRequest) {
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
