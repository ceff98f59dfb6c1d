/** What it takes to bring the stack up. */
import type { Settings } from '../../runtime/settings.ts';
import type { Home } from './home.ts';
import type { Launcher } from './launcher.ts';
import type { Plan } from './plan.ts';

/** Modules that are run with Node and tsx. */
export interface Programs {
  readonly sandbox: string;
  readonly worker: string;
  readonly api: string;
  readonly cli: string;
}

export interface BringUpInput {
  readonly home: Home;
  readonly plan: Plan;
  readonly settings: Settings;
  readonly variables: NodeJS.ProcessEnv;
  readonly launcher: Launcher;
  readonly programs: Programs;
  readonly write: (line: string) => void;
  /** Tells of a part that is up, and where. */
  readonly say: (part: string, where: string) => void;
  readonly signal: AbortSignal;
}
