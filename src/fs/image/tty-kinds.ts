/** Images of pseudoterminals and open terminals. The terminal that Tallship runs on is whatever there is at restore. */
import type { Inode } from '../../vfs/inode.ts';
import type { Session } from '../caller.ts';
import { PtsInode } from '../devpts.ts';
import { newPtyState, PtyMaster, PtySlave, type PtyState } from '../pty.ts';
import { Tty, TtyFile } from '../tty.ts';
import { loadInode, saveInode } from './event-kinds.ts';
import type { Fields, ImageReader, Kind } from './image.ts';

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
  is: (object): object is PtyMaster => object instanceof PtyMaster,
  save: (tty, writer) => ({ slave: writer.id(tty.slave) }),
  create: (fields, reader) => reader.object<PtySlave>(fields.slave).master,
};

/** Index of the pty that stands for a terminal that is no more. */
const LOST = 1000;

/** Any other terminal is the one Tallship runs on. Without one at restore, it has been hung up. */
const hostTerminal: Kind<Tty> = {
  name: 'host-terminal',
  is: (object): object is Tty => object instanceof Tty,
  save: saveTty,
  create(_fields, { world }) {
    if (world.console !== null) return world.console;
    const lost = world.pts.makePair(newPtyState(LOST), 0).slave;
    lost.hangUp();
    return lost;
  },
  link(tty, fields, reader) {
    if (!tty.hungUp) restoreTty(tty, fields, reader);
  },
};

/** A node of /dev/pts: there as soon as its terminal is. */
const node: Kind<PtsInode> = {
  name: 'pts-inode',
  is: (object): object is PtsInode => object instanceof PtsInode,
  save: (inode, writer) => ({ tty: writer.id(inode.tty) }),
  create(fields, reader) {
    const tty = reader.object<Tty>(fields.tty);
    return [...reader.world.pts.inodes.values()].find((inode) => inode.tty === tty)!;
  },
};

const file: Kind<TtyFile> = {
  name: 'terminal',
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
