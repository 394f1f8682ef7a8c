/** What layers on the other side need of home: their files, and somewhere to write to. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { RunValues } from '../commands.ts';
import { openOutput } from '../layer-output.ts';
import { isFile, splitSpec } from '../layers.ts';

/** Modules of layers, and files that their arguments name. */
export function filesOfLayers({ layer }: Pick<RunValues, 'layer'>): Record<string, string> {
  const files: Record<string, string> = {};
  for (const spec of layer) {
    const { name, argument } = splitSpec(spec);
    for (const path of [isFile(name) ? name : undefined, argument]) {
      if (path !== undefined && existsSync(path) && statSync(path).isFile()) files[path] = readFileSync(path, 'utf8');
    }
  }
  return files;
}

/** Files that the options name, and no others: the other side does not choose what is written here. */
export class HomeOutputs {
  readonly #named: readonly string[];
  /** -ff: one for each process. */
  readonly #base: string | undefined;
  readonly #open = new Map<string, (text: string) => void>();

  constructor({ output, follow, layer }: Pick<RunValues, 'output' | 'follow' | 'layer'>) {
    const argumentsOf = layer.map((spec) => splitSpec(spec).argument?.replace(/^learn=/, ''));
    this.#named = [output, ...argumentsOf].filter((path) => path !== undefined);
    this.#base = follow > 1 ? output : undefined;
  }

  write(path: string, text: string): void {
    if (!this.#mayWrite(path)) return;
    let write = this.#open.get(path);
    if (write === undefined) this.#open.set(path, (write = openOutput(path)));
    write(text);
  }

  #mayWrite(path: string): boolean {
    if (this.#named.includes(path)) return true;
    return (
      this.#base !== undefined && path.startsWith(`${this.#base}.`) && /^\d+$/.test(path.slice(this.#base.length + 1))
    );
  }
}
