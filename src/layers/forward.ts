/** The forward layer: chosen calls are made by somebody else, framed by their declarations. */
import { EACCES, EINVAL } from '../abi/errno.ts';
import type { Arg } from '../syscall/arg.ts';
import { type AsyncHook, type Continuation, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';

/** Makes a call with its inputs; answers its result, and its outputs in the order of the declaration. */
export type MakeCall = (
  name: string,
  inputs: readonly unknown[],
) => Promise<{ readonly result: number; readonly outputs: readonly unknown[] }>;

const isOutput = ({ direction }: Arg<unknown>) => direction === 'out';

export function forward(names: Iterable<string>, make: MakeCall): Layer {
  const hook: AsyncHook<LayeredCall & Continuation<readonly []>> = async (call) => {
    const { args, name } = call.declaration;
    const values = call as unknown as Readonly<Record<string, unknown>>;
    const inputs = args.filter((arg) => !isOutput(arg)).map((arg) => values[arg.name]);
    const { result, outputs } = await make(name, inputs);
    // A clock that they do not have is one of ours.
    if (result === -EINVAL || result === -EACCES) return call.next();
    const told = args.filter(isOutput).map((arg, i) => [arg.name, outputs[i] ?? null] as const);
    const wanted = told.filter(([, value]) => value !== null);
    if (result >= 0 && wanted.length > 0) call.put(Object.fromEntries(wanted));
    return result;
  };
  return layer('forward', Object.fromEntries([...names].map((name) => [name, hook as AsyncHook<LayeredCall>])), {
    idempotent: true,
  });
}
