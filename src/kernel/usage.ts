/** What getrusage, times and wait4 tell: nanoseconds and counts. Plain data. */
export interface Usage {
  utime: number;
  stime: number;
  minorFaults: number;
  majorFaults: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
  instructions: number;
  /** Kilobytes. */
  maxResident: number;
}

export function emptyUsage(): Usage {
  return {
    utime: 0,
    stime: 0,
    minorFaults: 0,
    majorFaults: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
    instructions: 0,
    maxResident: 0,
  };
}

export function addUsage(into: Usage, from: Usage): void {
  into.utime += from.utime;
  into.stime += from.stime;
  into.minorFaults += from.minorFaults;
  into.majorFaults += from.majorFaults;
  into.voluntarySwitches += from.voluntarySwitches;
  into.involuntarySwitches += from.involuntarySwitches;
  into.instructions += from.instructions;
  into.maxResident = Math.max(into.maxResident, from.maxResident);
}
