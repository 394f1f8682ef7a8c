/** tallship image: what is in an image, and whether it is whole. Nothing of it runs. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { IMAGE_VERSION, ImageError } from '../checkpoint/image.ts';
import { type DescriptorView, diffPages, type ImageView, inspect, type MappingView } from '../checkpoint/inspect.ts';
import { checkImage } from '../checkpoint/model.ts';
import { hasImage } from '../host/image/manifest.ts';
import { openSource } from '../host/image/open-source.ts';
import { imagesIn, isStore } from '../host/store/store.ts';
import { columns, harmless } from './columns.ts';
import type { ImageValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';

interface Shown {
  readonly data: unknown;
  readonly text: string;
}

type Show = (values: ImageValues, paths: readonly string[]) => Promise<Shown>;

const ACTIONS: Readonly<Record<string, { readonly images: number; readonly show: Show }>> = {
  ls: { images: Number.POSITIVE_INFINITY, show: list },
  show: { images: 1, show: (_values, [path]) => opened(path, summary) },
  ps: { images: 1, show: (_values, [path]) => opened(path, processes) },
  fds: { images: 1, show: (values, [path]) => opened(path, (view) => perProcess(view, values.pid, fds)) },
  maps: { images: 1, show: (values, [path]) => opened(path, (view) => perProcess(view, values.pid, maps)) },
  verify: {
    images: 1,
    show: (_values, [path]) => withSource(path, (source) => verify(path, source)),
  },
  diff: { images: 2, show: difference },
  export: { images: 2, show: exported },
  gc: { images: 1, show: collected },
};

/** Where it is not only images. */
const GIVE: Readonly<Record<string, string>> = { export: 'an image and a new directory', gc: 'one store' };

export async function main(values: ImageValues, [action = '', ...paths]: string[]): Promise<number> {
  const chosen = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (chosen === undefined) throw new CliError(EXIT.failure, `image: one of ${Object.keys(ACTIONS).join(', ')}`);
  const { images, show } = chosen;
  if (Number.isFinite(images) && paths.length !== images)
    throw new CliError(
      EXIT.failure,
      `image ${action}: give ${GIVE[action] ?? (images === 1 ? 'one image' : 'two images')}`,
    );
  const { data, text } = await show(values, paths);
  process.stdout.write(values.json ? `${JSON.stringify(data, null, 1)}\n` : text);
  return 0;
}

/** An image's files are read and their checksums compared before anything is shown of it. */
function opened<T>(path: string, use: (view: ImageView) => T): Promise<T> {
  return withSource(path, (source) => use(inspect(checkImage(source))));
}

type Source = Awaited<ReturnType<typeof openSource>>;

async function withSource<T>(path: string, use: (source: Source) => T | Promise<T>): Promise<T> {
  let source: Source | undefined;
  try {
    source = await openSource(path);
    return await use(source);
  } catch (error) {
    if (!(error instanceof ImageError) && (error as Error).name !== 'ImageError') throw error;
    throw new CliError(EXIT.failure, `${path}: ${(error as Error).message}`);
  } finally {
    source?.close();
  }
}

function verify(path: string, source: Source): Shown {
  source.verify();
  inspect(checkImage(source));
  return { data: { path, whole: true }, text: `${path}: whole\n` };
}

/** Of directories: the images in them. */
async function list(_values: ImageValues, paths: readonly string[]) {
  const found = (paths.length === 0 ? ['.'] : paths).flatMap((path) => {
    if (hasImage(path)) return [path];
    if (!existsSync(path)) throw new CliError(EXIT.failure, `${path}: there is no such directory`);
    if (isStore(path)) return imagesIn(path);
    return readdirSync(path)
      .map((name) => join(path, name))
      .filter((one) => hasImage(one));
  });
  const data = [];
  for (const path of found) data.push(await opened(path, (view) => ({ path, ...short(view) })));
  const rows = data.map(({ path, created, size, processes }) => [path, created, bytes(size), String(processes)]);
  return { data, text: columns([['IMAGE', 'MADE', 'SIZE', 'PROCESSES'], ...rows]) };
}

function short({ manifest }: ImageView) {
  const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { created: new Date(manifest.created).toISOString(), size, processes: manifest.processes.length };
}

function summary(view: ImageView) {
  const { version, writer, cpu, trees } = view.manifest;
  const { created, size, processes } = short(view);
  const data = { version, writer, cpu, created, size, processes, trees, files: view.manifest.files };
  const lines = [
    ['version', `${version}, written by ${writer || 'a program'}`],
    ['made', created],
    ['size', bytes(size)],
    ['processor', cpu],
    ['processes', String(processes)],
    ...trees.map(({ path, source, readOnly }) => ['tree', `${path} is ${source}${readOnly ? ', read-only' : ''}`]),
  ];
  return { data, text: columns(lines) };
}

function processes({ processes: all }: ImageView) {
  const data = all.map(({ descriptors, mappings, ...rest }) => ({
    ...{ ...rest, descriptors: descriptors.length, mappings: mappings.length },
  }));
  const rows = all.map(({ pid, parent, state, threads, saved, command }) => [
    ...[String(pid), String(parent), state, String(threads), bytes(saved), command],
  ]);
  return { data, text: columns([['PID', 'PARENT', 'STATE', 'THREADS', 'MEMORY', 'COMMAND'], ...rows]) };
}

type PerProcess = (one: ImageView['processes'][number]) => { data: unknown; rows: string[][] };

function perProcess({ processes: all }: ImageView, pid: number | undefined, show: PerProcess) {
  const chosen = all.filter((one) => pid === undefined || one.pid === pid);
  if (chosen.length === 0) throw new CliError(EXIT.failure, `--pid ${pid}: the image has no such process`);
  const parts = chosen.map((one) => ({ one, ...show(one) }));
  const data = parts.map(({ one: { pid, command }, data }) => ({ pid, command, ...(data as object) }));
  const text = parts.map(({ one, rows }) => `${one.pid} ${harmless(one.command)}\n${columns(rows)}`).join('');
  return { data, text };
}

const fds: PerProcess = ({ descriptors }) => ({
  data: { descriptors },
  rows: descriptors.map(({ fd, kind, name, position, cloexec }: DescriptorView) => [
    ...[`  ${fd}`, kind, name, position > 0 ? `at ${position}` : '', cloexec ? 'close-on-exec' : ''],
  ]),
});

const maps: PerProcess = ({ mappings }) => ({
  data: { mappings },
  rows: mappings.map(({ start, end, access, offset, name }: MappingView) => [
    ...[`  ${hex(start)}-${hex(end)}`, access, hex(offset), name],
  ]),
});

const hex = (value: number) => value.toString(16).padStart(8, '0');

function difference(_values: ImageValues, [before, after]: readonly string[]) {
  return withSource(before, (oldSource) =>
    withSource(after, (newSource) => {
      const [a, b] = [checkImage(oldSource), checkImage(newSource)];
      const [old, now] = [a.manifest.processes, b.manifest.processes];
      const ended = old.filter(({ pid }) => !now.some((one) => one.pid === pid));
      const started = now.filter(({ pid }) => !old.some((one) => one.pid === pid));
      const pages = diffPages(a, b);
      const named = ({ pid, command }: { pid: number; command: string }) => ({ pid, command });
      const data = { ended: ended.map(named), started: started.map(named), pages };
      const rows = [
        ...ended.map(({ pid, command }) => [`- ${pid}`, command]),
        ...started.map(({ pid, command }) => [`+ ${pid}`, command]),
        ...pages.map(({ pid, added, removed, changed }) => [
          ...[`  ${pid}`, `pages: ${changed} changed, ${added} new, ${removed} gone`],
        ]),
      ];
      return { data, text: columns(rows) };
    }),
  );
}

/** What a store has, or any image, as a directory of core files. */
function exported(_values: ImageValues, [path, to]: readonly string[]): Promise<Shown> {
  return withSource(path, async (source) => {
    const { copyImage } = await import('../host/image/copy.ts');
    const { files } = await copyImage(source, to, IMAGE_VERSION);
    const size = files.reduce((sum, file) => sum + file.size, 0);
    return { data: { path: to, size }, text: `${to}\n` };
  });
}

async function collected(_values: ImageValues, [store]: readonly string[]): Promise<Shown> {
  const { collectGarbage } = await import('../host/store/gc.ts');
  try {
    const data = await collectGarbage(store);
    const { images, removed, before, after } = data;
    const text = `${store}: ${images} images, ${removed} objects removed, ${bytes(before)} before, ${bytes(after)} now\n`;
    return { data, text };
  } catch (error) {
    if ((error as Error).name !== 'ImageError') throw error;
    throw new CliError(EXIT.failure, `${store}: ${(error as Error).message}`);
  }
}

/** 4 KB, 1.5 MB. */
function bytes(count: number): string {
  const unit = Math.min(3, Math.floor(Math.log2(Math.max(count, 1)) / 10));
  const value = count / 1024 ** unit;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${['B', 'KB', 'MB', 'GB'][unit]}`;
}
