/** Images of pseudoterminals and open terminals. The terminal that Tallship runs on is whatever there is at restore. */
import type { Termios } from '../../abi/tty.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Session } from '../caller.ts';
import { PtsInode } from '../devpts.ts';
import { newPtyState, PtyMaster, PtySlave, type PtyState } from '../pty.ts';
import { Tty, TtyFile } from '../tty.ts';
import { INODE, loadInode, saveInode } from './event-kinds.ts';
import type { Fields, ImageReader, Kind } from './image.ts';
import { bool, bytes, int, integer, list, maybe, real, record, ref, size, word } from './shape.ts';

const TERMIOS = record({
  ...{
    iflag: word,
    oflag: word,
    cflag: word,
    lflag: word,
    line: word,
    cc: list(integer(0, 255), 32),
    ispeed: word,
    ospeed: word,
  },
});
const WINDOW = record({ row: size, col: size, xpixel: size, ypixel: size });
const TTY = { session: size, foreground: integer(0, 2 ** 22), hungUp: bool, exclusive: bool };
const TYPED = list(integer(0, 0xffff), 65536);
const PTY = record({
  discipline: record({
    ...{ termios: TERMIOS, input: TYPED, line: TYPED, pushed: bool, literalNext: bool, erasing: bool, lastInput: real },
    output: record({ column: int, lineColumn: int, stopped: bool, stoppedByFlow: bool, echoes: TYPED }),
  }),
  ...{ index: integer(0, 4096), windowSize: WINDOW, output: list(bytes), locked: bool, packets: bool, control: word },
  slaveOpened: bool,
});

function saveTty({ session, foreground, hungUp, exclusive }: Tty): Fields {
  return { session: session?.id ?? 0, foreground, hungUp, exclusive };
}

function restoreTty(tty: Tty, fields: Fields, reader: ImageReader): void {
  const session: Session | null = fields.session === 0 ? null : reader.world.session(fields.session as number);
  tty.session = session;
  if (session !== null) session.terminal = tty;
  const { foreground, hungUp, exclusive } = fields;
  Object.assign(tty, { foreground, hungUp, exclusive });
}

const slave: Kind<PtySlave> = {
  name: 'pty',
  shape: record({ ...TTY, state: PTY, uid: word, mode: word, master: ref('pty-master') }),
  is: (object): object is PtySlave => object instanceof PtySlave,
  save(tty, writer) {
    const output = tty.output.chunks.map((chunk) => chunk.slice());
    const state = structuredClone({ ...tty.state, output }) as unknown as Fields;
    const { uid = 0, mode = 0 } = tty.stat ?? {};
    return { ...saveTty(tty), state, uid, mode, master: writer.id(tty.master) };
  },
  create(fields, reader) {
    const state = structuredClone(fields.state) as unknown as PtyState;
    const master = reader.world.pts.makePair(state, fields.uid as number);
    master.slave.stat!.mode = fields.mode as number;
    return master.slave;
  },
  link(tty, fields, reader) {
    restoreTty(tty, fields, reader);
    tty.state.slaveOpened = (fields.state as unknown as PtyState).slaveOpened;
  },
};

const master: Kind<PtyMaster> = {
  name: 'pty-master',
  shape: record({ slave: ref('pty') }),
  is: (object): object is PtyMaster => object instanceof PtyMaster,
  save: (tty, writer) => ({ slave: writer.id(tty.slave) }),
  create: (fields, reader) => reader.object<PtySlave>(fields.slave).master,
};

const plainTermios = (termios: Termios) => ({ ...termios, cc: [...termios.cc] });

/** Index of the pty that stands for a terminal that is no more. */
const LOST = 1000;

/** Any other terminal is the one Tallship runs on. Without one at restore, it has been hung up. */
const hostTerminal: Kind<Tty> = {
  name: 'host-terminal',
  shape: record({ ...TTY, termios: maybe(TERMIOS) }),
  is: (object): object is Tty => object instanceof Tty,
  save: (tty) => ({ ...saveTty(tty), termios: tty.hungUp ? null : structuredClone(plainTermios(tty.termios)) }),
  create(_fields, { world }) {
    if (world.console !== null) return world.console;
    const lost = world.pts.makePair(newPtyState(LOST), 0).slave;
    lost.hangUp();
    return lost;
  },
  link(tty, fields, reader) {
    if (tty.hungUp) return;
    restoreTty(tty, fields, reader);
    // An editor's raw mode goes along to the terminal that there is now.
    if (fields.termios !== null) tty.setTermios(reader.world.sleeper, fields.termios as unknown as Termios, 'now');
  },
};

/** A node of /dev/pts: there as soon as its terminal is. */
const node: Kind<PtsInode> = {
  name: 'pts-inode',
  shape: record({ tty: ref('pty', 'host-terminal') }),
  is: (object): object is PtsInode => object instanceof PtsInode,
  save: (inode, writer) => ({ tty: writer.id(inode.tty) }),
  create(fields, reader) {
    const tty = reader.object<Tty>(fields.tty);
    return [...reader.world.pts.inodes.values()].find((inode) => inode.tty === tty)!;
  },
};

const file: Kind<TtyFile> = {
  name: 'terminal',
  shape: record({ tty: ref('pty', 'pty-master', 'host-terminal'), inode: INODE, flags: word, dead: bool }),
  is: (object): object is TtyFile => object instanceof TtyFile,
  save: (open, writer) => ({
    tty: writer.id(open.tty),
    inode: saveInode(open.inode, writer),
    flags: open.flags,
    dead: open.dead,
  }),
  create(fields, reader) {
    const open = new TtyFile(
      reader.object<Tty>(fields.tty),
      loadInode<Inode>(fields.inode, reader),
      fields.flags as number,
    );
    open.dead = fields.dead as boolean;
    return open;
  },
};

export const TTY_KINDS = [slave, master, hostTerminal, node, file] as readonly Kind<object>[];
