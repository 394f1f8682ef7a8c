/** How a call is shown: by the tables of its family, or as its declaration says. */
import type { Declaration } from '../../syscall/syscall.ts';
import type { Context, Part } from './parts.ts';
import { type Returns, returnsOf } from './returns.ts';
import { FILES } from './show-files.ts';
import { IPCS } from './show-ipc.ts';
import { PROCESSES } from './show-processes.ts';
import { SOCKETS } from './show-sockets.ts';

const TABLES: Readonly<Record<string, readonly Part[]>> = { ...FILES, ...PROCESSES, ...SOCKETS, ...IPCS };
const known = new WeakMap<Declaration, Shown>();

/** How one call is shown. */
export interface Shown {
  readonly name: string;
  readonly parts: readonly Part[];
  /** The first part that the call's end shows. */
  readonly late: number;
  readonly notes: boolean;
  readonly returns: Returns;
}

export function shownOf(declaration: Declaration): Shown {
  let shown = known.get(declaration);
  if (shown === undefined) {
    shown = makeShown(declaration.name, TABLES[declaration.name] ?? declaredParts(declaration));
    known.set(declaration, shown);
  }
  return shown;
}

function makeShown(name: string, parts: readonly Part[]): Shown {
  const late = parts.findIndex(({ out }) => out);
  return { name, parts, late, notes: parts.some(({ note }) => note !== undefined), returns: returnsOf(name) };
}

/** Arguments up to the first that only the end of the call can show. */
export function inputs(parts: readonly Part[], late: number, c: Context): string {
  const end = late < 0 ? parts.length : late;
  let text = '';
  for (let i = 0; i < end; i++) {
    const shown = parts[i].show(c);
    if (shown !== '') text += i === 0 ? shown : `, ${shown}`;
  }
  return late <= 0 || parts[late].out === 'late' ? text : `${text}, `;
}

export function outputs(parts: readonly Part[], late: number, c: Context): string {
  const shown = parts
    .slice(late)
    .map((part) => part.show(c))
    .filter((text) => text !== '');
  return `${parts[late].out === 'late' && shown.length > 0 ? ', ' : ''}${shown.join(', ')}`;
}

/** As the declaration's own types show themselves. */
function declaredParts(declaration: Declaration): Part[] {
  return declaration.args.map((arg, i) => ({
    out: arg.peek !== undefined,
    show({ task, words, result }) {
      const value = arg.decode(task, words, declaration.at[i]);
      const word = words[declaration.at[i]] >>> 0;
      return typeof value === 'object' && value !== null && 'answer' in value
        ? arg.role === 'fd'
          ? String(word | 0)
          : `0x${word.toString(16)}`
        : arg.show(value, { task, words, result }, declaration.at[i]);
    },
  }));
}
