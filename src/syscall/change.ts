import type { Plain } from '../wait/wait.ts';

/** What enter() answers to go on with other arguments: call.with(). */
export class Change {
  readonly values: Readonly<Record<string, unknown>>;
  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values;
  }
}

/** A call's arguments as layers from `from` on see them. Plain data. */
export type Level = {
  from: number;
  /** Bit i: argument i was looked at or changed, and stands in `values`. */
  known: number;
  values: Plain[];
  /** The words, where a layer has changed them. */
  words: number[] | null;
};

/** What task.call.layers holds while a call is inside of its layers. Plain data. */
export type Frame = {
  /** Names of the layers of its chain, outermost first. */
  layers: string[];
  /** How many of them it has entered and not left. */
  entered: number;
  /** Bit i: layer i's scope does not want the call. */
  passed: number;
  /** call.state, by layer. */
  states: Plain[] | null;
  levels: Level[] | null;
  /** Resolved paths by argument, where a layer asked for them. */
  resolved: (string | null)[] | null;
  /** Of a multiplexer: that of the call which it stands for. */
  inner: Frame | null;
};

/** `words`: the call's, where those of task.call are another's. */
export function newFrame(layers: string[], words: number[] | null = null): Frame {
  const levels = words === null ? null : [{ from: 0, known: 0, values: [], words }];
  return { layers, entered: 0, passed: 0, states: null, levels, resolved: null, inner: null };
}

/** The arguments as layer `index` sees them; the last ones are the handler's. */
export function levelOf(frame: Frame, index: number): Level {
  frame.levels ??= [{ from: 0, known: 0, values: [], words: null }];
  const { levels } = frame;
  let i = levels.length - 1;
  while (levels[i].from > index) i--;
  return levels[i];
}
