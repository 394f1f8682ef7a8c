/** Who is asked before an operation is done on what a path led to, as Linux asks its security modules: policies. */
import type { PathContext } from './fs-context.ts';
import type { Location } from './location.ts';

/** Answers are 0, a negative errno, or BLOCKED; the operation is then asked about again. */
export interface Guard {
  /** A call is going to use what is at a place; with a name: what is, or will be, under it in that directory. */
  use(ctx: PathContext, place: Location, name?: string): number;
  /** What is at `place` gets a second name, or another one. */
  rename(ctx: PathContext, place: Location, directory: Location, name: string): number;
}

export function guarded(ctx: PathContext, place: Location, name?: string): number {
  const { guard } = ctx.namespace;
  return guard === null ? 0 : guard.use(ctx, place, name);
}

export function guardedName(ctx: PathContext, place: Location, directory: Location, name: string): number {
  const { guard } = ctx.namespace;
  return guard === null ? 0 : guard.rename(ctx, place, directory, name);
}
