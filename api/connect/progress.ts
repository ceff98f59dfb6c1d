import type { Connection } from '../../core/connection.ts';
import type { BrowserSession } from '../../core/stores.ts';
import { renderProgressPage } from '../../web/progress-page.ts';
import type { ApiDeps } from '../deps.ts';
import type { Context, Step } from '../route.ts';
import { sessionSlot } from './find-session.ts';
import { frameOf } from './frame.ts';
import { setPagePolicy } from './page-policy.ts';
import type { Poker } from './poker.ts';
import { seeOther, sendPage, sessionPath } from './redirect.ts';

/** From then on the page says that it takes long. */
const SLOW_AFTER_MS = 20_000;
/** The first answer is held back shortly, so that a quick connect shows no waiting page at all. */
const FIRST_HOLD_MS = 750;
/** No answer is held back for longer, whatever the page's script prefers. */
const LONGEST_HOLD_MS = 10_000;
/** How often it is looked for news. */
const LOOK_EVERY_MS = 250;
/** Answers of a session that are held back at a time: somebody has a few windows, and each costs a look after the other. */
const MOST_HELD = 5;

interface ProgressDeps extends Pick<ApiDeps, 'clock' | 'connections' | 'sessions'> {
  readonly poker: Poker;
}

/** What became of the connect; while it is pending the page asks again and again, and Temporal is told again. */
export function showProgress({ clock, connections, sessions, poker }: ProgressDeps): Step {
  async function companyOf(session: BrowserSession): Promise<Connection['company']> {
    const { app, principal, status } = session;
    if (status !== 'connected' || principal === null) return null;
    return (await connections.maybeOne({ app, principal }))?.connection?.company ?? null;
  }

  /** How many answers are held back, by session. */
  const held = new Map<string, number>();

  async function awaitNews(ctx: Context, session: BrowserSession, holdMs: number): Promise<BrowserSession> {
    const { id } = session;
    const before = held.get(id) ?? 0;
    if (holdMs === 0 || before >= MOST_HELD) return session;
    held.set(id, before + 1);
    try {
      return await awaitEnd(ctx, session, holdMs);
    } finally {
      const left = (held.get(id) ?? 1) - 1;
      if (left === 0) held.delete(id);
      else held.set(id, left);
    }
  }

  /** The session as it is as soon as it has ended, or after `holdMs`, or when the browser has gone. */
  async function awaitEnd(ctx: Context, session: BrowserSession, holdMs: number): Promise<BrowserSession> {
    let current = session;
    for (
      let leftMs = holdMs;
      leftMs > 0 && current.status === 'completed' && !ctx.res.closed;
      leftMs -= LOOK_EVERY_MS
    ) {
      await clock.sleep(LOOK_EVERY_MS);
      current = (await sessions.maybeOne(session.app, session.id)) ?? current;
    }
    return current;
  }

  return async (ctx) => {
    const found = sessionSlot.get(ctx);
    if (found.status === 'open') return seeOther(ctx, sessionPath(found.app, found.id));
    const waitedMs = found.status === 'completed' ? poker.poke(found) : 0;
    const session = await awaitNews(ctx, found, preferredWaitMs(ctx) ?? (waitedMs < FIRST_HOLD_MS ? FIRST_HOLD_MS : 0));
    const frame = frameOf(ctx);
    if (session.status === 'completed') setPagePolicy(ctx, frame.landing, { hasScript: true });
    const page = renderProgressPage({
      ...frame,
      session,
      company: await companyOf(session),
      isSlow: waitedMs >= SLOW_AFTER_MS,
    });
    sendPage(ctx, page);
  };
}

/** `Prefer: wait=seconds` (RFC 7240 section 4.3), null without it. */
function preferredWaitMs(ctx: Context): number | null {
  const seconds = /(?:^|[,;\s])wait=(\d{1,3})\b/i.exec(ctx.get('prefer'))?.[1];
  return seconds === undefined ? null : Math.min(Number(seconds) * 1_000, LONGEST_HOLD_MS);
}
