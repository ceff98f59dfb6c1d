/**
 * Things that one run of the suites has once, however many projects need them: started for the first that asks, ended
 * with the last. Vitest loads a set-up file anew for every project, hence the global registry.
 */
import { Guardian } from '../../dev/stack/guardian.ts';

interface Shared {
  readonly value: Promise<unknown>;
  users: number;
}

interface Registry {
  readonly shared: Map<string, Shared>;
  guardian: Guardian | null;
}

const key = Symbol.for('evergrant.test.per-run');
const holder = globalThis as unknown as { [key]?: Registry };

function registry(): Registry {
  holder[key] ??= { shared: new Map(), guardian: null };
  return holder[key];
}

export interface PerRun<T> {
  readonly value: T;
  release(): Promise<void>;
}

/** The run's one `name`; `stop` is called when every user has released it. */
export async function oncePerRun<T>(
  name: string,
  start: (guardian: Guardian) => Promise<T>,
  stop: (value: T) => Promise<void>,
): Promise<PerRun<T>> {
  const { shared } = registry();
  let entry = shared.get(name);
  if (entry === undefined) {
    entry = { value: start(guardian()), users: 0 };
    shared.set(name, entry);
  }
  entry.users += 1;
  const mine = entry;
  const release = async (): Promise<void> => {
    mine.users -= 1;
    if (mine.users > 0) return;
    shared.delete(name);
    await stop((await mine.value) as T);
    if (shared.size === 0) await closeGuardian();
  };
  try {
    return { value: (await entry.value) as T, release };
  } catch (error) {
    mine.users -= 1;
    if (mine.users === 0) shared.delete(name);
    if (shared.size === 0) await closeGuardian();
    throw error;
  }
}

/** Sees to it that a run that is killed leaves no server behind. */
function guardian(): Guardian {
  const state = registry();
  state.guardian ??= new Guardian();
  return state.guardian;
}

async function closeGuardian(): Promise<void> {
  const state = registry();
  const { guardian: open } = state;
  state.guardian = null;
  await open?.close();
}

/** Progress of what takes long, where it does not mix with the reporter's lines on standard output. */
export function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
