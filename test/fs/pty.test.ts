import { describe, expect, it } from 'vitest';
import { EAGAIN, EIO, ENOTTY, EPERM } from '../../src/abi/errno.ts';
import { O_NOCTTY, O_RDWR } from '../../src/abi/fs.ts';
import { SIG_IGN, SIGCONT, SIGHUP, SIGINT, SIGTTIN, SIGTTOU, SIGWINCH } from '../../src/abi/signal.ts';
import * as TTY from '../../src/abi/tty.ts';
import { DevPts } from '../../src/fs/devpts.ts';
import type { TtyFile } from '../../src/fs/tty.ts';
import { POLLHUP, POLLIN, POLLRDNORM } from '../../src/vfs/open-file.ts';
import { BLOCKED, ERESTARTSYS } from '../../src/wait/wait.ts';
import { fakeJobs } from '../support/jobs.ts';
import { FakeMemory } from '../support/memory.ts';
import { FakeCaller, fakeProcess } from '../support/sleeper.ts';

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** A pty whose slave is the controlling terminal of a session with the groups 10 (foreground) and 11. */
function terminal() {
  const leader = new FakeCaller(10);
  const { session } = leader.group;
  const job = new FakeCaller(11, leader.clock);
  job.group = fakeProcess(11, 11, session);
  const jobs = fakeJobs({ 10: session, 11: session, 99: { id: 99, terminal: null } });
  const pts = new DevPts({ device: 7, jobs, now: () => leader.now(), realtime: () => leader.realtime() });
  const memory = new FakeMemory();
  const master = pts.openMaster(new FakeCaller(1, leader.clock), pts.ptmx, O_RDWR) as TtyFile;
  const inode = pts.inodes.get(0)!;
  expect(inode.open(leader, O_RDWR)).toBe(-EIO);
  master.ioctl(leader, memory.with(0), TTY.TIOCSPTLCK, 0);
  const slave = inode.open(leader, O_RDWR) as TtyFile;
  return { leader, job, jobs, pts, memory, master, slave, tty: inode.tty };
}

describe('pseudoterminals', () => {
  it('make the first terminal of a session leader its controlling one', () => {
    const { leader, job, slave, memory, tty, pts } = terminal();
    expect(leader.group.session.terminal).toBe(tty);
    expect(slave.ioctl(job, memory, TTY.TIOCGPGRP, 0)).toBe(0);
    expect(memory.i32(0)).toBe(10);
    const other = new FakeCaller(20, leader.clock);
    expect(slave.ioctl(other, memory, TTY.TIOCGPGRP, 0)).toBe(-ENOTTY);
    expect(slave.ioctl(other, memory, TTY.TIOCSCTTY, 0)).toBe(-EPERM);
    expect(slave.ioctl(other, memory, TTY.TIOCSCTTY, 1)).toBe(0);
    expect([leader.group.session.terminal, other.group.session.terminal]).toEqual([null, tty]);
    const third = new FakeCaller(30, leader.clock);
    pts.inodes.get(0)!.open(third, O_RDWR | O_NOCTTY);
    expect(third.group.session.terminal).toBeNull();
  });

  it('stop background processes that read, or change settings', () => {
    const { job, jobs, slave, memory } = terminal();
    expect(job.start(() => slave.read(job, new Uint8Array(1)))).toBe(-ERESTARTSYS);
    expect(job.start(() => slave.ioctl(job, memory, TTY.TCSETS, 0))).toBe(-ERESTARTSYS);
    expect(jobs.sent).toEqual([`group 11: ${SIGTTIN}`, `group 11: ${SIGTTOU}`]);
    expect(job.start(() => slave.write(job, bytes('x')))).toBe(1);
    job.group.actions[SIGTTIN].handler = SIG_IGN;
    expect(job.start(() => slave.read(job, new Uint8Array(1)))).toBe(-EIO);
    jobs.orphaned.add(11);
    expect(job.start(() => slave.ioctl(job, memory, TTY.TCSETS, 0))).toBe(-EIO);
  });

  it('stop background writers under TOSTOP', () => {
    const { job, jobs, slave, tty } = terminal();
    tty.setTermios(job, { ...tty.termios, lflag: tty.termios.lflag | TTY.TOSTOP }, 'now');
    expect(job.start(() => slave.write(job, bytes('x')))).toBe(-ERESTARTSYS);
    expect(jobs.sent).toEqual([`group 11: ${SIGTTOU}`]);
    job.group.actions[SIGTTOU].handler = SIG_IGN;
    expect(job.start(() => slave.write(job, bytes('x')))).toBe(1);
  });

  it('hand the foreground over inside the session only', () => {
    const { leader, jobs, slave, master, memory } = terminal();
    expect(slave.ioctl(leader, memory.with(99), TTY.TIOCSPGRP, 0)).toBe(-EPERM);
    expect(slave.ioctl(leader, memory.with(11), TTY.TIOCSPGRP, 0)).toBe(0);
    leader.start(() => master.write(leader, bytes('\x03')));
    expect(jobs.sent).toEqual([`group 11: ${SIGINT}`]);
  });

  it('tell the foreground of a new size, once', () => {
    const { leader, jobs, slave, master, memory } = terminal();
    memory.bytes.set([24, 0, 80, 0, 0, 0, 0, 0]);
    master.ioctl(leader, memory, TTY.TIOCSWINSZ, 0);
    slave.ioctl(leader, memory, TTY.TIOCSWINSZ, 0);
    expect(jobs.sent).toEqual([`group 10: ${SIGWINCH}`]);
    memory.bytes.fill(0);
    slave.ioctl(leader, memory, TTY.TIOCGWINSZ, 0);
    expect([...memory.bytes.subarray(0, 4)]).toEqual([24, 0, 80, 0]);
  });

  it('hang up when the master closes', () => {
    const { leader, jobs, slave, master, pts } = terminal();
    expect(leader.start(() => slave.read(leader, new Uint8Array(1)))).toBe(BLOCKED);
    master.release();
    expect(leader.resume()).toBe(0);
    expect(leader.start(() => slave.write(leader, bytes('x')))).toBe(-EIO);
    expect(slave.poll() & POLLHUP).toBe(POLLHUP);
    expect(jobs.sent).toEqual([`process 10: ${SIGHUP}`, `process 10: ${SIGCONT}`]);
    expect(pts.inodes.size).toBe(0);
  });

  it('end the master’s input when the slave closes, after what was written', () => {
    const { leader, slave, master } = terminal();
    leader.start(() => slave.write(leader, bytes('bye\n')));
    slave.release();
    expect(master.poll() & (POLLIN | POLLHUP)).toBe(POLLIN | POLLHUP);
    const into = new Uint8Array(10);
    expect(leader.start(() => master.read(leader, into))).toBe(5);
    expect(leader.start(() => master.read(leader, into))).toBe(-EIO);
  });

  it('let the leader’s end free the terminal', () => {
    const { leader, jobs, tty } = terminal();
    tty.leaderExited();
    expect(jobs.sent).toEqual([`group 10: ${SIGHUP}`, `group 10: ${SIGCONT}`]);
    expect([tty.session, leader.group.session.terminal]).toEqual([null, null]);
  });

  it('block a writer until the master has read', () => {
    const { leader, slave, master } = terminal();
    const writer = new FakeCaller(12, leader.clock);
    writer.group = leader.group;
    expect(writer.start(() => slave.write(writer, new Uint8Array(10000).fill(0x61)))).toBe(BLOCKED);
    const into = new Uint8Array(8192);
    expect(leader.start(() => master.read(leader, into))).toBe(8192);
    expect(writer.asleep).toBe(false);
    expect(writer.resume()).toBe(10000);
  });

  it('end raw reads by VTIME', () => {
    const { leader, slave, master, tty } = terminal();
    const raw = (min: number, time: number) => {
      const cc = [...tty.termios.cc];
      cc[TTY.VMIN] = min;
      cc[TTY.VTIME] = time;
      tty.setTermios(leader, { ...tty.termios, lflag: 0, cc }, 'now');
    };
    raw(0, 2);
    expect(leader.start(() => slave.read(leader, new Uint8Array(5)))).toBe(BLOCKED);
    leader.clock.advance(200_000_000);
    expect(leader.resume()).toBe(0);
    raw(3, 2);
    const into = new Uint8Array(5);
    expect(leader.start(() => slave.read(leader, into))).toBe(BLOCKED);
    expect(leader.deadline).toBeUndefined();
    new FakeCaller(2, leader.clock).start(() => master.write(leader, bytes('ab')));
    expect(leader.resume()).toBe(BLOCKED);
    leader.clock.advance(200_000_000);
    expect(leader.resume()).toBe(2);
  });

  it('report control changes in packet mode', () => {
    const { leader, slave, master, memory } = terminal();
    const into = new Uint8Array(10);
    master.ioctl(leader, memory.with(1), TTY.TIOCPKT, 0);
    leader.start(() => slave.write(leader, bytes('x')));
    expect(leader.start(() => master.read(leader, into))).toBe(2);
    expect([...into.subarray(0, 2)]).toEqual([0, 0x78]);
    slave.ioctl(leader, memory, TTY.TCFLSH, TTY.TCIFLUSH);
    expect(master.poll() & (POLLIN | POLLRDNORM)).toBe(POLLIN | POLLRDNORM);
    expect(leader.start(() => master.read(leader, into))).toBe(1);
    expect(into[0]).toBe(TTY.TIOCPKT_FLUSHREAD);
    master.flags |= 0o4000;
    expect(leader.start(() => master.read(leader, into))).toBe(-EAGAIN);
  });
});
