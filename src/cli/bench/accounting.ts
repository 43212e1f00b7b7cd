import fs from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU seconds that a process and all its threads have used, user and system together. */
export function cpuSeconds(pid: number): number {
  const fields = afterName(`/proc/${pid}/stat`);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** CPU seconds that the calling thread has used. */
export function threadCpuSeconds(): number {
  const [nanoseconds = ''] = fs.readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1);
  return Number(nanoseconds) / 1e9;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Time of the whole machine, in ticks: all of it, and what the hypervisor gave to others. */
export interface MachineTime {
  readonly total: number;
  readonly stolen: number;
}

export function machineTime(): MachineTime {
  const [line = ''] = fs.readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { total: ticks.reduce((sum, value) => sum + value, 0), stolen: ticks[7] ?? 0 };
}

/** Percent of the machine's time between two moments that the hypervisor took. */
export function stealPercent(before: MachineTime, after: MachineTime): number {
  const total = after.total - before.total;
  return total > 0 ? (100 * (after.stolen - before.stolen)) / total : 0;
}

/** The fields behind the name, which may hold blanks and parentheses. */
function afterName(file: string): string[] {
  return fs.readFileSync(file, 'utf8').split(') ').at(-1)!.split(' ');
}
