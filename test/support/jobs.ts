/** Process groups for tests of terminals: notes the signals that are sent. */
import type { Jobs, Session } from '../../src/fs/caller.ts';

export function fakeJobs(sessions: Record<number, Session> = {}) {
  const sent: string[] = [];
  const orphaned = new Set<number>();
  const jobs: Jobs & { sent: string[]; orphaned: Set<number> } = {
    sent,
    orphaned,
    signalGroup: (group, signal) => void sent.push(`group ${group}: ${signal}`),
    signalProcess: (pid, signal) => void sent.push(`process ${pid}: ${signal}`),
    sessionOf: (group) => sessions[group],
    isOrphaned: (group) => orphaned.has(group),
  };
  return jobs;
}
