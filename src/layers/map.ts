/** The map layer: other names for paths. `GUEST=TARGET[,...]`: what is asked for below GUEST is looked for below TARGET. */
import { type Layer, type LayeredCall, layer } from '../syscall/layer.ts';

interface Mapping {
  readonly from: string;
  readonly to: string;
}

export function parseMap(text: string): Mapping[] {
  const mappings = text.split(',').map((pair) => {
    const equals = pair.indexOf('=');
    const [from, to] = [pair.slice(0, equals), pair.slice(equals + 1)].map((path) => path.replace(/(?<=.)\/+$/, ''));
    if (equals <= 0 || !from.startsWith('/') || !to.startsWith('/')) throw new Error(`map ${pair}: give /FROM=/TO`);
    return { from, to };
  });
  // What lies deeper wins.
  return mappings.sort((a, b) => b.from.length - a.from.length);
}

export function mapPath(mappings: readonly Mapping[], path: string): string {
  for (const { from, to } of mappings) {
    if (path === from) return to;
    if (path.startsWith(from === '/' ? from : `${from}/`))
      return `${to === '/' ? '' : to}/${path.slice(from.length).replace(/^\//, '')}`;
  }
  return path;
}

/** The text of a symbolic link is not a path to look up. */
const TEXT = /^symlink/;

export function map(mappings: readonly Mapping[]): Layer {
  const every = {
    enter(call: LayeredCall) {
      const changes: Record<string, string> = {};
      for (const { name, role } of call.declaration.args) {
        if (role !== 'path' || (TEXT.test(call.callName) && name === 'target')) continue;
        const own = (call as unknown as Record<string, string | null>)[name];
        if (own === null || own === '') continue;
        const path = call.absolute(name);
        const mapped = mapPath(mappings, path);
        if (mapped !== path) changes[name] = own.endsWith('/') ? `${mapped}/` : mapped;
      }
      return Object.keys(changes).length === 0 ? undefined : call.with(changes);
    },
  };
  const scope = { select: ({ args }: LayeredCall['declaration']) => args.some(({ role }) => role === 'path') };
  return layer('map', {}, { every, scope });
}
