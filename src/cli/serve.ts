/** tallship serve: the shadow. Serves the directories that are named, to whoever knows the token, until it is stopped. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { errnoName } from '../abi/errno.ts';
import { makeDevice } from '../abi/fs.ts';
import { HostFs } from '../fs/host.ts';
import { HostFiles, hostIds } from '../host/files.ts';
import { NodeHost, say } from '../host/node.ts';
import { type ListenAt, type Listener, listen, parseListen } from '../host/transport/listen.ts';
import type { Export } from '../remote/server/nodes.ts';
import { Shadow } from '../remote/server/shadow.ts';
import type { ServeValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { allowedRules, callsFor } from './forward.ts';
import { SessionJournals } from './journals.ts';
import { tlsFiles } from './remote.ts';

/** How often it is looked whether clients that went away have left something. */
const SWEEP_MS = 600_000;

export async function main(values: ServeValues, operands: string[]): Promise<number> {
  if (operands.length > 0) throw new CliError(EXIT.failure, `serve: what is ${operands[0]}? Directories: --export DIR`);
  if (process.geteuid?.() === 0 && !values.force) {
    throw new CliError(
      EXIT.failure,
      'serve: as root, clients could change everything here; --force serves all the same',
    );
  }
  const places = listeners(values);
  const host = new NodeHost();
  const stdio = places.some(({ kind }) => kind === 'stdio');
  const token = needsToken(places) ? takeToken(values, host) : undefined;
  const journals = new SessionJournals({ durable: values.durable, single: stdio });
  const shadow = new Shadow({
    journals,
    calls: callsFor(allowedRules(values.allow)),
    exports: exportsOf(values),
    token,
    clock: host,
    randomBytes: (count) => host.randomBytes(count),
    ...hostIds(),
    groups: process.getgroups?.() ?? [],
    host: hostname(),
    log: values.quiet || stdio ? logTo(values.log) : (line) => logTo(values.log, true)(line),
    changes: values.log === undefined ? undefined : logTo(values.log),
  });
  const sweep = () => {
    journals.sweep();
    shadow.sweep();
  };
  sweep();
  setInterval(sweep, SWEEP_MS).unref();
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const open: Listener[] = [];
  for (const place of places) {
    const listener = await listen(place, (transport) => shadow.accept(transport), tlsFiles(values));
    open.push(listener);
    if (place.kind !== 'stdio') say(`serving at ${listener.url}`);
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop());
  if (stdio) process.stdin.on('close', () => stop());
  await stopped;
  for (const listener of open) listener.close();
  shadow.close();
  await new Promise((resolve) => setImmediate(resolve));
  return 0;
}

function listeners(values: ServeValues): ListenAt[] {
  const texts = values.listen.length === 0 || values.stdio ? ['stdio', ...values.listen] : values.listen;
  return texts.map((text) => {
    const at = parseListen(text);
    if (typeof at === 'string') throw new CliError(EXIT.failure, at);
    return at;
  });
}

/** A UNIX socket lets only its owner in, and who has our standard input has us. */
function needsToken(places: readonly ListenAt[]): boolean {
  return places.some(({ kind }) => kind === 'tcp' || kind === 'ws');
}

/** The token is made for this one server, and shown or written where only its owner reads it. */
function takeToken(values: ServeValues, host: NodeHost): Uint8Array {
  const text = Buffer.from(host.randomBytes(24)).toString('base64url');
  const file = values.token;
  if (file === undefined) say(`token (clients give it as TALLSHIP_TOKEN): ${text}`);
  else writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return new TextEncoder().encode(text);
}

function exportsOf(values: ServeValues): Export[] {
  const files = new HostFiles();
  const asked = values.export.length === 0 ? [`${process.cwd()}:rw`] : values.export;
  return asked.map((text, i) => {
    const [, named, mode = 'rw'] = /^(.*?)(?::(ro|rw))?$/s.exec(text)!;
    const path = resolve(named);
    const fs = HostFs.open({ files, path, device: makeDevice(0, i + 1), readOnly: mode === 'ro', ...hostIds() });
    if (typeof fs === 'number')
      throw new CliError(EXIT.failure, `--export ${text}: cannot be opened (${errnoName(fs)})`);
    return { path, fs };
  });
}

function logTo(file: string | undefined, loud = false): (line: string) => void {
  return (line) => {
    if (loud) say(line);
    if (file !== undefined) appendFileSync(file, `${new Date().toISOString()} ${line}\n`);
  };
}
