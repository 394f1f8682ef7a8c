/** ioctl(2) on terminals (ioctl_tty(2)). */
import { EFAULT, EINVAL, EIO, ENOTTY, EPERM, ESRCH } from '../abi/errno.ts';
import { SIGCONT, SIGHUP, SIGTTOU } from '../abi/signal.ts';
import { i32, type Layout, u8 } from '../abi/struct.ts';
import * as TTY from '../abi/tty.ts';
import { CAP_SYS_ADMIN, capable } from '../vfs/credentials.ts';
import type { UserMemory } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import type { Tty, TtyFile, When } from './tty.ts';
import { getUser, putUser } from './user.ts';

interface Request {
  file: TtyFile;
  /** The open one; settings, sizes and sessions are those of `line`: for a pty's master its slave. */
  tty: Tty;
  line: Tty;
  s: Sleeper;
  memory: UserMemory;
  argument: number;
}

const handlers: Readonly<Record<number, (request: Request) => number>> = {
  [TTY.TCGETS]: (r) => put(r, TTY.termiosLayout, r.line.termios),
  [TTY.TCGETS2]: (r) => put(r, TTY.termios2Layout, r.line.termios),
  [TTY.TCGETA]: (r) => put(r, TTY.termioLayout, { ...r.line.termios, cc: r.line.termios.cc.slice(0, 8) }),
  [TTY.TCSETS]: (r) => setTermios(r, TTY.termiosLayout, 'now'),
  [TTY.TCSETSW]: (r) => setTermios(r, TTY.termiosLayout, 'drained'),
  [TTY.TCSETSF]: (r) => setTermios(r, TTY.termiosLayout, 'flushed'),
  [TTY.TCSETS2]: (r) => setTermios(r, TTY.termios2Layout, 'now'),
  [TTY.TCSETSW2]: (r) => setTermios(r, TTY.termios2Layout, 'drained'),
  [TTY.TCSETSF2]: (r) => setTermios(r, TTY.termios2Layout, 'flushed'),
  [TTY.TCSETA]: (r) => setTermio(r, 'now'),
  [TTY.TCSETAW]: (r) => setTermio(r, 'drained'),
  [TTY.TCSETAF]: (r) => setTermio(r, 'flushed'),
  [TTY.TCSBRK]: (r) => foreground(r, () => r.tty.drain(r.s)),
  [TTY.TCSBRKP]: (r) => foreground(r, () => r.tty.drain(r.s)),
  [TTY.TCXONC]: (r) => foreground(r, () => r.tty.flow(r.argument)),
  [TTY.TCFLSH]: flush,
  [TTY.TIOCEXCL]: (r) => setExclusive(r, true),
  [TTY.TIOCNXCL]: (r) => setExclusive(r, false),
  [TTY.TIOCGEXCL]: (r) => put(r, i32, r.line.exclusive ? 1 : 0),
  [TTY.TIOCSCTTY]: becomeControlling,
  [TTY.TIOCNOTTY]: giveUpControlling,
  [TTY.TIOCGPGRP]: (r) => (maySeeSession(r) ? put(r, i32, r.line.foreground) : -ENOTTY),
  [TTY.TIOCSPGRP]: setForeground,
  [TTY.TIOCGSID]: (r) => (maySeeSession(r) && r.line.session !== null ? put(r, i32, r.line.session.id) : -ENOTTY),
  [TTY.TIOCOUTQ]: (r) => put(r, i32, 0),
  [TTY.TIOCSTI]: insert,
  [TTY.TIOCGWINSZ]: (r) => put(r, TTY.winsizeLayout, r.line.windowSize),
  [TTY.TIOCSWINSZ]: setWindowSize,
  [TTY.FIONREAD]: (r) => put(r, i32, r.tty.inputLength),
  [TTY.TIOCGETD]: (r) => put(r, i32, 0),
  [TTY.TIOCSETD]: (r) => withValue(r, i32, (discipline) => (discipline === 0 ? 0 : -EINVAL)),
  [TTY.TIOCGDEV]: (r) => put(r, i32, r.line.device),
  [TTY.TIOCVHANGUP]: hangUp,
};

export function ttyIoctl(file: TtyFile, s: Sleeper, memory: UserMemory, command: number, argument: number): number {
  const own = file.tty.extraIoctl(s, memory, command >>> 0, argument);
  if (own !== null) return own;
  const handler = handlers[command >>> 0];
  return handler === undefined ? -ENOTTY : handler({ file, tty: file.tty, line: file.tty.line, s, memory, argument });
}

function put<T>(r: Request, layout: Layout<T>, value: T): number {
  return putUser(r.memory, r.argument, layout, value);
}

function withValue<T>(r: Request, layout: Layout<T>, use: (value: T) => number): number {
  const value = getUser(r.memory, r.argument, layout);
  return value === undefined ? -EFAULT : use(value);
}

/** Only the foreground group changes a terminal; others get SIGTTOU. */
function foreground(r: Request, act: () => number): number {
  const allowed = r.line.checkForeground(r.s, SIGTTOU);
  return allowed < 0 ? allowed : act();
}

function setTermios(
  r: Request,
  layout: Layout<TTY.Termios> | Layout<Omit<TTY.Termios, 'ispeed' | 'ospeed'>>,
  when: When,
) {
  return foreground(r, () =>
    withValue(r, layout as Layout<Partial<TTY.Termios>>, (wanted) =>
      r.line.setTermios(r.s, { ...r.line.termios, ...wanted }, when),
    ),
  );
}

/** struct termio has the low 16 bits of each word and the first 8 characters. */
function setTermio(r: Request, when: When): number {
  return foreground(r, () =>
    withValue(r, TTY.termioLayout, (wanted) => {
      const old = r.line.termios;
      const low = (name: 'iflag' | 'oflag' | 'cflag' | 'lflag') => ((old[name] & ~0xffff) | wanted[name]) >>> 0;
      const flags = { iflag: low('iflag'), oflag: low('oflag'), cflag: low('cflag'), lflag: low('lflag') };
      const cc = [...wanted.cc, ...old.cc.slice(8)];
      return r.line.setTermios(r.s, { ...old, ...flags, line: wanted.line, cc }, when);
    }),
  );
}

function flush(r: Request): number {
  if (r.argument < TTY.TCIFLUSH || r.argument > TTY.TCIOFLUSH) return -EINVAL;
  return foreground(r, () => {
    r.tty.flush(r.argument);
    return 0;
  });
}

function setExclusive(r: Request, on: boolean): number {
  r.line.exclusive = on;
  return 0;
}

function isControlling(r: Request): boolean {
  return callerOf(r.s).group.session.terminal === r.line;
}

/** A pty's master sees its slave's session. */
function maySeeSession(r: Request): boolean {
  return r.tty !== r.line || isControlling(r);
}

function becomeControlling(r: Request): number {
  const caller = callerOf(r.s);
  const { group } = caller;
  const leader = group.id === group.session.id;
  if (leader && r.line.session === group.session) return 0;
  if (!leader || group.session.terminal !== null) return -EPERM;
  const admin = capable(caller.credentials, CAP_SYS_ADMIN);
  if (r.line.session !== null && !(r.argument === 1 && admin)) return -EPERM;
  if (!r.file.readable && !admin) return -EPERM;
  r.line.attach(group.session, group.processGroup);
  return 0;
}

/** The leader gives the terminal up for its session, as if it had ended; others have no terminal of their own. */
function giveUpControlling(r: Request): number {
  if (!isControlling(r)) return -ENOTTY;
  const { group } = callerOf(r.s);
  if (group.id !== group.session.id) return 0;
  const { foreground: running } = r.line;
  r.line.detach();
  if (running > 0) for (const signal of [SIGHUP, SIGCONT]) r.line.jobs.signalGroup(running, signal);
  return 0;
}

function setForeground(r: Request): number {
  const allowed = r.line.checkForeground(r.s, SIGTTOU);
  if (allowed < 0) return allowed === -EIO ? -ENOTTY : allowed;
  const { session } = callerOf(r.s).group;
  if (!isControlling(r) || r.line.session !== session) return -ENOTTY;
  return withValue(r, i32, (pgid) => {
    if (pgid < 0) return -EINVAL;
    const owner = r.line.jobs.sessionOf(pgid);
    if (owner === undefined) return -ESRCH;
    if (owner !== session) return -EPERM;
    r.line.foreground = pgid;
    return 0;
  });
}

function insert(r: Request): number {
  if (!isControlling(r) && !capable(callerOf(r.s).credentials, CAP_SYS_ADMIN)) return -EPERM;
  return withValue(r, u8, (char) => r.tty.insert(char));
}

function setWindowSize(r: Request): number {
  return withValue(r, TTY.winsizeLayout, (size) => {
    r.line.resize(size);
    return 0;
  });
}

function hangUp(r: Request): number {
  if (!capable(callerOf(r.s).credentials, CAP_SYS_ADMIN)) return -EPERM;
  r.tty.hangUp();
  return 0;
}
