/**
 * The forecast of a refresh token's end. A refresh moves it away again, so nobody needs to hear of it while refreshes
 * succeed; when they fail or stay away, the customer has these days left.
 */
import { type Connection, isLiving } from './connection.ts';
import { audit, type Transition, type TransitionContext } from './transition.ts';

const DAY_MS = 86_400_000;

/** So many days before the forecast end it is told, once per refresh token each. */
const NOTICE_DAYS = [60, 30, 7] as const;

/** The transition with a `connection.expiring` event when a notice is due; of several missed ones the most urgent. */
export function withExpiryNotice(transition: Transition, context: TransitionContext): Transition {
  const { connection } = transition;
  const days = dueNotice(connection, context.nowMs);
  if (days === null) return transition;
  const after = { ...connection, expiryNoticeDays: days };
  const entry = audit(connection, after, context, { type: 'connection.expiring', reason: `within ${days} days` });
  return { connection: after, events: [...transition.events, entry] };
}

/**
 * Whether a grant of the flow of before 2017 has passed the end that Concur gave it. The one-year token is the grant, and only
 * a token that is alive is refreshed: after its end nothing is left to ask with. Where Concur named no end that can be read,
 * access and refresh token have ends of our own making, which differ and prove nothing.
 */
export function isLegacyGrantOver(connection: Connection, nowMs: number): boolean {
  const { principalType, accessTokenExpiresAtMs: access, refreshTokenExpiresAtMs: refresh } = connection;
  if (principalType !== 'legacy-user' || access === null || refresh === null) return false;
  return Math.abs(refresh - access) <= 1_000 && nowMs > refresh;
}

function dueNotice(connection: Connection, nowMs: number): number | null {
  const { refreshTokenExpiresAtMs: endsAtMs, expiryNoticeDays: told } = connection;
  if (endsAtMs === null || !isLiving(connection.state)) return null;
  const reached = NOTICE_DAYS.filter((days) => endsAtMs - nowMs <= days * DAY_MS).at(-1);
  return reached !== undefined && (told === null || reached < told) ? reached : null;
}
