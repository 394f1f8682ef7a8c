/** A call on its way through layers: arguments by name, kept as data while it sleeps. */
import type { Task } from '../kernel/task.ts';
import type { Plain } from '../wait/wait.ts';
import { type Arg, Refusal, type Shown } from './arg.ts';
import type { LayeredCall } from './layer.ts';
import type { Declaration } from './syscall.ts';

/** What task.call.layers holds: plain data. */
export interface LayerRecord {
  [key: string]: Plain;
  /** Inputs as they were copied in, or as a layer changed them; null where the argument is not plain data. */
  inputs: Plain[];
  /** Which inputs a layer has replaced, by index. */
  replaced: number[];
  /** The layers that the call has entered and not left, outermost first, each with its state. */
  entered: { name: string; state: Plain; answer: Plain }[];
}

/** True for values that a checkpoint can keep: everything but views of guest memory, open files and output places. */
function isPlain(value: unknown): value is Plain {
  if (value === null || typeof value !== 'object') return value !== undefined;
  if (Array.isArray(value)) return value.every(isPlain);
  if (value instanceof Uint8Array) return !(value.buffer instanceof SharedArrayBuffer);
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlain);
}

/** Copies what the guest could change behind the layers' back. */
function copyIn(arg: Arg<unknown>, value: unknown): unknown {
  if (arg.direction !== 'in') return value;
  if (value instanceof Uint8Array) return value.slice();
  return Array.isArray(value) ? value.map((part) => (part instanceof Uint8Array ? part.slice() : part)) : value;
}

/** One class per declaration, so that V8 gives its calls one shape. */
export type CallMaker = (task: Task, record: LayerRecord | null) => DecodedCall | Refusal;

export interface DecodedCall extends LayeredCall {
  readonly record: LayerRecord;
  values(): unknown[] | Refusal;
}

export function callMaker(declaration: Declaration): CallMaker {
  const { args, at, nr, name } = declaration;

  class Call implements DecodedCall {
    readonly nr = nr;
    readonly name = name;
    readonly declaration = declaration;
    readonly task: Task;
    readonly record: LayerRecord;
    readonly decoded: unknown[];
    state: Plain = null;

    constructor(task: Task, decoded: unknown[], record: LayerRecord) {
      this.task = task;
      this.decoded = decoded;
      this.record = record;
    }

    plain(i: number): unknown {
      if (this.record.replaced.includes(i)) return this.record.inputs[i];
      const arg = args[i];
      const value = this.decoded[i];
      return arg.plain === undefined ? value : arg.plain(value, this.task.call.words, at[i]);
    }

    replace(i: number, value: unknown): void {
      this.record.inputs[i] = value as Plain;
      if (!this.record.replaced.includes(i)) this.record.replaced.push(i);
    }

    values(): unknown[] | Refusal {
      const values = [...this.decoded];
      for (const i of this.record.replaced) {
        const plain = this.record.inputs[i];
        const { fromPlain } = args[i];
        const value = fromPlain === undefined ? plain : fromPlain(plain, this.task);
        if (value instanceof Refusal) return value;
        values[i] = value;
      }
      return values;
    }

    show(result?: number): string {
      const shown: Shown = { task: this.task, words: this.task.call.words, result };
      const values = this.values();
      const texts = values instanceof Refusal ? [] : args.map((arg, i) => arg.show(values[i], shown, at[i]));
      return `${name}(${texts.join(', ')})`;
    }
  }
  for (const [i, arg] of args.entries()) {
    Object.defineProperty(Call.prototype, arg.name, {
      get(this: Call) {
        return this.plain(i);
      },
      set(this: Call, value: unknown) {
        this.replace(i, value);
      },
    });
  }

  return (task, record) => {
    const decoded: unknown[] = [];
    for (let i = 0; i < args.length; i++) {
      const kept = record?.inputs[i];
      const value = kept != null ? kept : copyIn(args[i], args[i].decode(task, task.call.words, at[i]));
      if (value instanceof Refusal && !record?.replaced.includes(i)) return value;
      decoded.push(value);
    }
    // Numbers come from the words again; they cannot change.
    const keep = (value: unknown) => (typeof value === 'object' && isPlain(value)) || typeof value === 'string';
    const fresh = () => ({ inputs: decoded.map((v) => (keep(v) ? (v as Plain) : null)), replaced: [], entered: [] });
    return new Call(task, decoded, record ?? fresh());
  };
}
