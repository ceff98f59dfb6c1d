/** How the API ends without failing anybody: first it says that it is going, then it takes nothing new, then it closes. */
import type { Settings } from '../runtime/settings.ts';
import { HANDLER_WAIT_MS } from '../workflows/contract.ts';

export interface Drain {
  /** After the signal: `/readyz` says 503 and requests are still taken, until load balancers have seen it. */
  readonly delayMs: number;
  /** After that, for the requests under way. */
  readonly requestsMs: number;
  /** For all of it; whoever started the process must grant more. */
  readonly deadlineMs: number;
}

/** What is closed after the last request: reads to be recorded, pools. */
const CLOSING_MS = 8_000;
/** Under `npm start` the whole tree has 15 s to end. */
const DEVELOPMENT_REQUESTS_MS = 5_000;

/** In production the longest request, a read that waits for a refresh, is answered. */
export function drainOf({ mode, shutdownDelayMs }: Pick<Settings, 'mode' | 'shutdownDelayMs'>): Drain {
  const requestsMs = mode === 'development' ? DEVELOPMENT_REQUESTS_MS : HANDLER_WAIT_MS + 5_000;
  const closingMs = mode === 'development' ? CLOSING_MS - 3_000 : CLOSING_MS;
  return { delayMs: shutdownDelayMs, requestsMs, deadlineMs: shutdownDelayMs + requestsMs + closingMs };
}
