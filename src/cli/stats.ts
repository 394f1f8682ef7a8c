/** --stats: what the machine did, on stderr after the program's end. */
import { writeSync } from 'node:fs';
import type { JitStats } from '../cpu/jit/jit.ts';
import { jitStats } from '../cpu/jit/jit.ts';
import type { Machine } from '../machine.ts';
import type { Traffic } from '../vfs/inode.ts';

export function showStats(machine: Machine, json: boolean): void {
  writeSync(2, statsOf(machine, json));
}

export function statsOf(machine: Machine, json: boolean): string {
  const { table, kernel } = machine;
  const calls: Record<string, number> = {};
  let total = 0;
  table.counts?.forEach((count, nr) => {
    if (count === 0) return;
    calls[table.declarations.get(nr)?.name ?? `syscall_${nr}`] = count;
    total += count;
  });
  const missing = Object.fromEntries([...table.missing].map(([nr, count]) => [nr, count]));
  const memory = process.resourceUsage().maxRSS * 1024;
  const cpu = process.cpuUsage();
  const facts = {
    seconds: process.uptime(),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    maxRss: memory,
    processes: kernel.forks,
    instructions: kernel.scheduler.instructions,
    systemCalls: total,
    compiled: jitStats,
    calls,
    missing,
    remote: trafficOf(machine),
  };
  return `${json ? JSON.stringify(facts) : text(facts)}\n`;
}

type Remote = Traffic & { at: string };

function trafficOf({ namespace }: Machine): Remote[] {
  return namespace.mounts.flatMap(({ fs, source }) => (fs.traffic === undefined ? [] : { at: source, ...fs.traffic }));
}

function text(facts: {
  seconds: number;
  cpuSeconds: number;
  maxRss: number;
  processes: number;
  instructions: number;
  systemCalls: number;
  compiled: JitStats;
  calls: Record<string, number>;
  missing: Record<string, number>;
  remote: Remote[];
}): string {
  const lines = [
    `tallship: ${facts.seconds.toFixed(3)} s, ${facts.cpuSeconds.toFixed(3)} s of CPU, ` +
      `${(facts.maxRss / 1e6).toFixed(0)} MB, ${facts.processes} processes and threads, ` +
      `${facts.instructions} instructions, ${facts.systemCalls} system calls`,
  ];
  const { functions, instructions, bytes, milliseconds, invalidated } = facts.compiled;
  lines.push(
    `${String(functions).padStart(10)} functions compiled: ${instructions} instructions to ${bytes} bytes ` +
      `in ${milliseconds.toFixed(0)} ms; ${invalidated} invalidated`,
  );
  const byCount = Object.entries(facts.calls).sort((a, b) => b[1] - a[1]);
  for (const [name, count] of byCount) lines.push(`${String(count).padStart(10)} ${name}`);
  for (const [nr, count] of Object.entries(facts.missing)) {
    lines.push(`${String(count).padStart(10)} system call ${nr}, which Tallship does not have`);
  }
  for (const { at, requests, waits, bytesIn, bytesOut, connections } of facts.remote) {
    lines.push(
      `tallship: ${at}: ${requests} requests, waited for ${waits} times, ${bytesIn} bytes in, ${bytesOut} out, ${connections} connections`,
    );
  }
  return lines.join('\n');
}
