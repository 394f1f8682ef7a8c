/** Layers of a run --on: they work where the machine is; what they write and say goes home, what they read has come from there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Outside } from '../../layers/outside.ts';
import type { Machine } from '../../machine.ts';
import type { FromCrew, StartMessage } from './messages.ts';

/** Installs what was asked for; answers what is to be called when the program has started. */
export async function installLayers(
  { options, files, path, argv, env }: StartMessage,
  machine: Machine,
  tell: (message: FromCrew) => void,
): Promise<() => void> {
  const { layersOfRun, splitSpec } = await import('../layers.ts');
  const directory = mkdtempSync(join(tmpdir(), 'tallship-layers-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const places = new Map(Object.keys(files).map((name, i) => [name, join(directory, `${i}-${basename(name)}`)]));
  for (const [name, place] of places) writeFileSync(place, files[name], { mode: 0o600 });
  const layer = options.layer.map((spec) => {
    const { name, argument } = splitSpec(spec, (each) => each in files);
    const there = [places.get(name) ?? name];
    // A policy in TypeScript is a module too.
    if (argument !== undefined)
      there.push(/\.[mc]?[jt]s$/.test(argument) ? (places.get(argument) ?? argument) : argument);
    return there.join(':');
  });
  const { layers, started } = await layersOfRun({ ...options, layer }, machine, outside(files, tell));
  for (const each of layers) machine.layers.install(each, 'innermost');
  return () =>
    started?.(
      path,
      argv,
      Object.entries(env).map(([name, value]) => `${name}=${value}`),
    );
}

function outside(files: StartMessage['files'], tell: (message: FromCrew) => void): Outside {
  const LATER_MS = 200;
  return {
    error: (text) => tell({ kind: 'error', text }),
    output(path) {
      tell({ kind: 'output', path, text: '' });
      return (text) => tell({ kind: 'output', path, text });
    },
    later: (run) => void setTimeout(run, LATER_MS).unref(),
    readText(path) {
      const text = files[path];
      if (text === undefined) throw new Error(`${path}: only files that the options name have come along`);
      return text;
    },
    writeText: (path, text) => tell({ kind: 'output', path, text }),
    // Nobody can be waited for.
    ask: () => null,
  };
}
