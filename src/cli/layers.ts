/** --layer SPEC: finds layers by name or file, and gives them their argument. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SHIPPED } from '../layers/index.ts';
import { type Calls, inject, parseRules } from '../layers/inject.ts';
import type { Outside } from '../layers/outside.ts';
import { checkPolicy, type Policy, policy } from '../layers/policy.ts';
import { traceFor } from '../layers/trace/index.ts';
import { parseExpressions } from '../layers/trace/options.ts';
import type { Machine } from '../machine.ts';
import type { Layer } from '../syscall/layer.ts';
import { byName } from '../syscall/multiplexer.ts';
import type { Declaration } from '../syscall/syscall.ts';
import { checkLayers, knownCalls } from './check-layer.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { ask } from './layer-ask.ts';
import { openOutput, writeError } from './layer-output.ts';
import type { TRACE_OPTIONS } from './run-options.ts';
import { nearest } from './suggest.ts';
import { asksForTrace } from './trace-asked.ts';

/** A layer module's default export: a layer, several, or a function of the argument. */
type Exported = Layer | readonly Layer[] | Maker;
type Maker = (argument: string | undefined, outside: Outside, known: Calls) => Made;
type Made = Layer | readonly Layer[] | Promise<Layer | readonly Layer[]>;

const LATER_MS = 200;

export const callersSide: Outside = {
  error: writeError,
  output: openOutput,
  later: (run) => void setTimeout(run, LATER_MS).unref(),
  readText: (path) => readFileSync(path, 'utf8'),
  writeText: (path, text) => writeFileSync(path, text),
  ask,
};

/** The options that are about layers. */
export type LayerValues = Pick<RunValues, 'layer' | 'inject' | 'json' | keyof typeof TRACE_OPTIONS>;

/** All that a command line asks for, outermost first: the trace sees what the other layers do. */
export async function layersOfRun(values: LayerValues, machine: Machine, outside: Outside) {
  const known: Map<string, Declaration> = byName(machine.table.declarations.values());
  const loaded = await loadLayers(values.layer, outside, known);
  const layers: Layer[] = [];
  const injections = [...values.inject];
  let started: ((path: string, argv: readonly string[], environment: readonly string[]) => void) | undefined;
  try {
    const { injections: inline } = parseExpressions(values.expression, known);
    injections.push(...inline);
    if (asksForTrace(values)) {
      const trace = traceFor(values, outside, known);
      layers.push(trace.layer);
      const execve = [...machine.table.declarations.values()].find(({ name }) => name === 'execve')!;
      started = (...program) => trace.started(machine.kernel.tasks.values().next().value!, execve, ...program);
    }
    if (injections.length > 0) layers.push(inject(parseRules(injections, known)));
  } catch (error) {
    throw new CliError(EXIT.failure, error instanceof Error ? error.message : String(error));
  }
  return { layers: distinct([...layers, ...loaded]), started };
}

/** Several of one name, such as two times --layer inject:RULE, get a number each. */
export function distinct(layers: readonly Layer[]): Layer[] {
  const counts = new Map<string, number>();
  return layers.map((layer) => {
    const count = (counts.get(layer.name) ?? 0) + 1;
    counts.set(layer.name, count);
    return count === 1 ? layer : { ...layer, name: `${layer.name}-${count}` };
  });
}

/** Files come first: what they define can be named by the others, and is added to `known`. */
async function loadLayers(
  specs: readonly string[],
  outside: Outside,
  known: Map<string, Declaration>,
): Promise<Layer[]> {
  const layers: (readonly Layer[])[] = [];
  for (const files of [true, false]) {
    for (const [i, spec] of specs.entries()) {
      if (isFile(splitSpec(spec).name) !== files) continue;
      layers[i] = await loadLayer(spec, outside, known);
      for (const { defines = [] } of layers[i]) for (const one of defines) known.set(one.name, one);
    }
  }
  return layers.flat();
}

/** `known`: calls that can be named; absent: those that are there without layers. */
export async function loadLayer(spec: string, outside: Outside, known = knownCalls): Promise<readonly Layer[]> {
  const { name, argument } = splitSpec(spec);
  try {
    const exported = isFile(name)
      ? await importLayer(name)
      : name === 'policy' && /\.[mc]?[jt]s$/.test(argument ?? '')
        ? await importPolicy(argument!)
        : shipped(name);
    const made = typeof exported === 'function' ? await exported(argument, outside, known) : exported;
    const layers: readonly Layer[] = isList(made) ? made : [made];
    for (const layer of layers) check(spec, layer);
    checkLayers(layers, known);
    return layers;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(EXIT.failure, `--layer ${spec}: ${oneLine(error)}`);
  }
}

/** A parser's picture of the source has the reason in it, and where: `  x Expected ';'`, `,-[3:1]`. */
function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const reason = /^\s*[x\u00d7]\s+(.*)$/m.exec(text)?.[1];
  const place = /\[(?:.*?:)?(\d+:\d+)\]/.exec(text)?.[1];
  if (reason !== undefined) return place === undefined ? reason : `${reason} (line ${place.replace(':', ', column ')})`;
  return text.trim().split('\n')[0];
}

function isList(made: Layer | readonly Layer[]): made is readonly Layer[] {
  return Array.isArray(made);
}

function check(spec: string, layer: Layer): void {
  if (typeof layer !== 'object' || layer === null || typeof layer.name !== 'string' || typeof layer.calls !== 'object')
    throw new CliError(EXIT.failure, `--layer ${spec}: its default export is no layer, and no function that makes one`);
}

/** NAME[:ARGUMENT], FILE[:ARGUMENT]; a colon of the file's own name is found by looking. */
export function splitSpec(
  spec: string,
  exists: (path: string) => boolean = existsSync,
): { name: string; argument: string | undefined } {
  const word = spec.split(':', 1)[0];
  if (Object.hasOwn(SHIPPED, word))
    return { name: word, argument: spec.includes(':') ? spec.slice(word.length + 1) : undefined };
  for (let colon = spec.indexOf(':'); colon > 0; colon = spec.indexOf(':', colon + 1)) {
    const name = spec.slice(0, colon);
    if (!isFile(spec) || exists(name)) return { name, argument: spec.slice(colon + 1) };
  }
  return { name: spec, argument: undefined };
}

/** The same layer, wherever it is loaded: its file by an absolute path. */
export function absoluteSpec(spec: string): string {
  const { name } = splitSpec(spec);
  return isFile(name) ? resolve(name) + spec.slice(name.length) : spec;
}

export const isFile = (name: string) => /[/\\]|\.[mc]?[jt]s($|:)/.test(name);

function shipped(name: string): Exported {
  if (Object.hasOwn(SHIPPED, name)) return SHIPPED[name].make;
  const names = Object.keys(SHIPPED);
  const meant = nearest(name, names);
  const hint =
    meant === undefined ? `there are ${names.join(', ')}; a file is named by its path` : `did you mean ${meant}?`;
  throw new CliError(EXIT.failure, `--layer ${name}: there is no such layer: ${hint}`);
}

async function importLayer(name: string): Promise<Exported> {
  const path = resolve(name);
  if (!existsSync(path)) throw new CliError(EXIT.failure, `--layer ${name}: there is no such file`);
  const exported = await importer().importDefault(path);
  if (exported === undefined) throw new CliError(EXIT.failure, `--layer ${name}: it has no default export`);
  return exported as Exported;
}

/** A policy that is a module's default export. */
async function importPolicy(name: string): Promise<Exported> {
  const given = (await importLayer(name)) as unknown;
  return (_, outside, known) => policy(checkPolicy(given as Policy, known), outside);
}

/** From dist/src/cli and from the bundle in dist/src/bin alike. */
function importer(): typeof import('./layer-import.ts') {
  const file = new URL(`../cli/layer-import${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
  return createRequire(import.meta.url)(fileURLToPath(file));
}
