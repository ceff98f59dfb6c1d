import type { BrowserSession } from '../../core/stores.ts';
import type { Connection } from '../../core/connection.ts';
import { renderProgressPage } from '../../web/progress-page.ts';
import { pickTexts } from '../../web/texts/pick-texts.ts';
import type { ApiDeps } from '../deps.ts';
import type { Step } from '../route.ts';
import { appSlot } from './find-app.ts';
import { sessionSlot } from './find-session.ts';
import type { Poker } from './poker.ts';
import { seeOther, sendPage, sessionPath } from './redirect.ts';

interface ProgressDeps extends Pick<ApiDeps, 'connections'> {
  readonly poker: Poker;
}

/** What became of the connect; while it is pending the page loads itself again, and Temporal is told again. */
export function showProgress({ connections, poker }: ProgressDeps): Step {
  async function companyOf(session: BrowserSession): Promise<Connection['company']> {
    const { app, principal, status } = session;
    if (status !== 'connected' || principal === null) return null;
    return (await connections.maybeOne({ app, principal }))?.connection?.company ?? null;
  }

  return async (ctx) => {
    const session = sessionSlot.get(ctx);
    if (session.status === 'open') return seeOther(ctx, sessionPath(session.app, session.id));
    if (session.status === 'completed') poker.poke(session);
    const page = renderProgressPage({
      texts: pickTexts(ctx.get('accept-language')),
      landing: appSlot.get(ctx).landing,
      session,
      company: await companyOf(session),
    });
    sendPage(ctx, page);
  };
}
