import { describe, expect, it } from 'vitest';
import { type FunctionCode, listedNames, writeModule } from '../../src/cpu/emit/wasm-writer.ts';
import { allCompiled, compileAhead, compiledAhead } from '../../src/cpu/interp/ahead.ts';
import { compileWhole } from '../../src/host/v8.ts';

const answer = (value: number, name: Pick<FunctionCode, 'exported' | 'listed'>): FunctionCode => ({
  type: { parameters: [], results: ['i32'] },
  locals: [],
  code: Uint8Array.of(0x41, value),
  ...name,
});
const bytes = writeModule({
  hasTable: true,
  functions: [
    answer(1, { exported: 'run' }),
    answer(2, {}),
    answer(3, { listed: 'three' }),
    answer(4, { listed: 'four' }),
  ],
  isFirstAlone: true,
  memory: { minimum: 1, maximum: 1, shared: true },
});

function instantiate(module: WebAssembly.Module): Record<string, unknown> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
  return new WebAssembly.Instance(module, { env: { memory, table } }).exports;
}

describe('modules of WebAssembly', () => {
  it('list functions by name that are no exports', () => {
    const module = new WebAssembly.Module(bytes);
    const { run, listed } = instantiate(module) as { run(): number; listed: WebAssembly.Table };
    expect(run()).toBe(1);
    expect(listedNames(module).map((_, i) => (listed.get(i) as () => number)())).toEqual([3, 4]);
    expect(listedNames(module)).toEqual(['three', 'four']);
  });

  it('are found compiled by whoever waits, and left to him where that failed', async () => {
    compileAhead('whole', compileWhole(bytes));
    compileAhead('broken', compileWhole(bytes.subarray(0, bytes.length - 1)));
    expect(compiledAhead('whole')).toBeUndefined();
    await allCompiled();
    expect((instantiate(compiledAhead('whole')!).run as () => number)()).toBe(1);
    expect(compiledAhead('broken')).toBeUndefined();
  });
});
