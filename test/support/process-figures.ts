import fs from 'node:fs';

/** A process, as the kernel sees it. */
export interface Figures {
  readonly rssKb: number;
  readonly descriptors: number;
  /** Of these, sockets. The others are its own files, whose number varies a little. */
  readonly sockets: number;
  readonly threads: number;
}

/** What a process has now. */
export function figuresOf(pid: number): Figures {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const descriptors = fs.readdirSync(`/proc/${pid}/fd`);
  return {
    rssKb: field('VmRSS'),
    descriptors: descriptors.length,
    sockets: descriptors.filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length,
    threads: field('Threads'),
  };
}

function isSocket(link: string): boolean {
  try {
    return fs.readlinkSync(link).startsWith('socket:');
  } catch {
    return false;
  }
}

/** Keeps the highest of each figure until it is asked for. */
export function watchPeak(pid: number): () => Figures {
  let peak = figuresOf(pid);
  const timer = setInterval(() => {
    // Whoever waits for the daemon says that it has gone.
    if (!fs.existsSync(`/proc/${pid}`)) return clearInterval(timer);
    const now = figuresOf(pid);
    peak = {
      rssKb: Math.max(peak.rssKb, now.rssKb),
      descriptors: Math.max(peak.descriptors, now.descriptors),
      sockets: Math.max(peak.sockets, now.sockets),
      threads: Math.max(peak.threads, now.threads),
    };
  }, 250);
  return () => {
    clearInterval(timer);
    return peak;
  };
}
