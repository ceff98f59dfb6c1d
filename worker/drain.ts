import { horizonMs } from '../core/refresh-policy.ts';
import { refreshPolicyOf } from '../runtime/config.ts';
import type { Settings } from '../runtime/settings.ts';

/** Under `npm start` the whole tree has 15 s to end. */
const DEVELOPMENT_DRAIN_MS = 4_500;
/** For saving the last answer. */
const SAVING_MS = 20_000;
/** What is closed after the last activity. */
const CLOSING_MS = 2_000;

export interface WorkerDrain {
  /** How long calls in flight may go on: longer than the longest, so that no answer of SAP Concur is lost to a deployment. */
  readonly callsMs: number;
  /** For the whole end; whoever started the process must grant more. */
  readonly deadlineMs: number;
}

export function workerDrainOf(settings: Settings): WorkerDrain {
  const isDevelopment = settings.mode === 'development';
  const callsMs = isDevelopment ? DEVELOPMENT_DRAIN_MS : horizonMs(refreshPolicyOf(settings)) + SAVING_MS;
  return { callsMs, deadlineMs: callsMs + CLOSING_MS };
}
