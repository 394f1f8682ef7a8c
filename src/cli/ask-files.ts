/** Looks at files of a machine from outside, where the file system may have to ask another machine. */
import type { Machine } from '../machine.ts';
import { RequestTask } from '../remote/request-task.ts';
import type { PathContext } from '../vfs/fs-context.ts';
import type { Sleeper } from '../wait/wait.ts';

class Question extends RequestTask implements PathContext {
  readonly credentials: PathContext['credentials'];
  readonly fs: PathContext['fs'];
  readonly namespace: PathContext['namespace'];

  constructor(machine: Machine, look: (ctx: PathContext) => unknown, done: (answer: unknown) => void) {
    super(machine.kernel.clock, (s) => look(s as Question), done);
    const { credentials, fs, namespace } = machine.context();
    this.credentials = credentials;
    this.fs = fs;
    this.namespace = namespace;
  }
}

/** What `look` answers, as root, run again until it need not wait. */
export function askFiles<T>(machine: Machine, look: (ctx: PathContext) => T): Promise<T> {
  return new Promise((resolve) => new Question(machine, look, (answer) => resolve(answer as T)).run());
}

/** The same of one file system, without a machine. */
export function askInode<T>(clock: Pick<Sleeper, 'now' | 'realtime'>, look: (s: Sleeper) => T): Promise<T> {
  return new Promise((resolve) => new RequestTask(clock, look, (answer) => resolve(answer as T)).run());
}
