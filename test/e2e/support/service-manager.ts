import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { waitFor } from '../../support/daemon.ts';

/** Node has no datagrams over unix sockets. One line for each: its text, who sent it, and where its descriptors lead. */
const RECEIVER = `
import array, json, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
print('{}', flush=True)
kept = []
while True:
    data, control, _, _ = s.recvmsg(65536, 4096)
    fds, pid = array.array('i'), 0
    for level, kind, bytes in control:
        if kind == socket.SCM_RIGHTS: fds.frombytes(bytes)
        if kind == socket.SCM_CREDENTIALS: pid = struct.unpack('iII', bytes)[0]
    kept += fds
    print(json.dumps({'text': data.decode(), 'pid': pid, 'files': [os.readlink('/proc/self/fd/%d' % fd) for fd in fds]}), flush=True)
`;

export interface Told {
  readonly text: string;
  readonly pid: number;
  /** Of the descriptors that came with it. */
  readonly files: readonly string[];
}

/** What systemd is to a daemon: somebody who hears how it is, and keeps descriptors. */
export class TestServiceManager {
  readonly socket: string;
  readonly told: Told[] = [];
  readonly #receiver;

  /** @param folder where its socket is to be */
  constructor(folder: string) {
    this.socket = path.join(folder, 'notify.sock');
    this.#receiver = spawn('/usr/bin/python3', ['-c', RECEIVER, this.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    readline.createInterface({ input: this.#receiver.stdout }).on('line', (line) => {
      if (line !== '{}') this.told.push(JSON.parse(line) as Told);
    });
  }

  async begin(): Promise<void> {
    await waitFor(() => fs.existsSync(this.socket), 'the receiver');
  }

  /** Waits until it was told something that begins so. */
  async hears(text: string, from = 0): Promise<Told> {
    const find = (): Told | undefined => this.told.slice(from).find((told) => told.text.startsWith(text));
    await waitFor(() => find() !== undefined, text);
    return find()!;
  }

  end(): void {
    this.#receiver.kill('SIGKILL');
  }
}

/** Binds sockets and opens a FIFO, keeps them, and starts a program with them: on each line of its input, until that has ended. */
const ACTIVATOR = `
import os, socket, sys
fifo, first, second, *program = sys.argv[1:]
kept = []
for path in (first, second):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(64)
    kept.append(s)
os.mkfifo(fifo, 0o600)
fds = [os.open(fifo, os.O_RDWR | os.O_NONBLOCK)] + [s.fileno() for s in kept]
print('bound', flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        spare = [os.dup(fd) for fd in fds]
        high = [os.dup2(fd, 100 + n) for n, fd in enumerate(spare)]
        for n, fd in enumerate(high): os.dup2(fd, 3 + n, inheritable=True)
        names = {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '3', 'LISTEN_FDNAMES': 'fifo:a.socket:b.socket'}
        os.execve(program[0], program, {**os.environ, **names})
    print(pid, flush=True)
    print('ended', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
`;

/** What systemd is to a daemon by its socket units. */
export class TestActivator {
  readonly #process;
  readonly #lines: AsyncIterator<string>;

  constructor(files: readonly [fifo: string, first: string, second: string], program: readonly string[]) {
    this.#process = spawn('/usr/bin/python3', ['-c', ACTIVATOR, ...files, ...program], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#lines = readline.createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async begin(): Promise<void> {
    await this.#lines.next();
  }

  /** Starts the program. @returns its pid */
  async start(): Promise<number> {
    this.#process.stdin.write('\n');
    return Number((await this.#lines.next()).value);
  }

  /** Of the program that was started, once it has ended: `ended 0`. */
  async ended(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }
}
