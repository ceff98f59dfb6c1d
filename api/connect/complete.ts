/** The landing page was sent: code or ticket, session and connection in one transaction, and only then is Temporal told. */
import type { Connection } from '../../core/connection.ts';
import { acceptConnect } from '../../core/exchange-transaction.ts';
import { Secret } from '../../core/secret.ts';
import type { App, BrowserSession, CompleteResult } from '../../core/stores.ts';
import { normaliseVerificationCode, verificationCodeContext } from '../../core/verification-code.ts';
import { connectionWorkflowId } from '../../workflows/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { requestIdSlot } from '../middleware/request-id.ts';
import type { Context, Step } from '../route.ts';
import { fingerprintAddress } from './address.ts';
import { appSlot } from './find-app.ts';
import { sessionSlot } from './find-session.ts';
import { formSlot } from './form.ts';
import { assertOpen, sendLanding } from './landing.ts';
import { buildPageError } from './page-error.ts';
import type { Poker } from './poker.ts';
import { seeOther, sessionPath } from './redirect.ts';
import { buildSignInError, oneTicket } from './ticket.ts';

interface CompleteDeps extends Pick<ApiDeps, 'vault' | 'rng' | 'clock' | 'policy' | 'sessions'> {
  readonly poker: Poker;
}

export function completeLanding(deps: CompleteDeps): Step {
  const { vault, rng, clock, policy, sessions, poker } = deps;

  return async (ctx) => {
    const app = appSlot.get(ctx);
    const session = sessionSlot.get(ctx);
    const code = codeOf(ctx, app);
    if (session.status === 'open') {
      assertOpen(session, clock.now());
      if (code === '') return sendLanding(ctx, 'empty');
    }
    const result = await complete(ctx, app, session, { code, ticketId: await maybeTicketId(ctx, app, session) });
    answer(ctx, session, result);
  };

  async function complete(
    ctx: Context,
    app: App,
    session: BrowserSession,
    { code, ticketId }: { readonly code: string | null; readonly ticketId: string | null },
  ) {
    const nowMs = clock.now();
    const [addressFingerprint, codeFingerprint] = await Promise.all([
      fingerprintAddress(vault, ctx.ip),
      code === null ? undefined : fingerprintCode(app, code),
    ]);
    const result = await sessions.complete(
      {
        app: app.app,
        id: session.id,
        nowMs,
        addressFingerprint,
        correlationId: requestIdSlot.get(ctx),
        ...(codeFingerprint === undefined ? {} : { codeFingerprint }),
        ...(ticketId === null ? {} : { ticketId }),
      },
      (aggregate, key) =>
        acceptConnect(aggregate, {
          key,
          sessionId: session.id,
          actor: 'concur-admin',
          correlationId: requestIdSlot.get(ctx),
          newConnectionId: rng.uuid(),
          principalType: app.principal,
          nowMs,
          policy,
          workflowId: connectionWorkflowId(key),
        }),
    );
    if (result.outcome === 'completed') {
      const isNew = session.kind === 'request-token' && result.result?.state === 'connecting';
      poker.poke(session, { isNew });
    }
    return result;
  }

  /** Number of the ticket that was brought, null where the mode asks for none. A session that is over takes none. */
  async function maybeTicketId(ctx: Context, app: App, session: BrowserSession): Promise<string | null> {
    if (app.landing.mode !== 'sign-in') return null;
    if (session.status !== 'open') return '';
    return (await oneTicket(vault, session, formSlot.get(ctx).ticket ?? '', clock.now())).id;
  }

  /** What can't be a code is counted as a wrong one: nobody learns what codes look like for nothing. */
  function fingerprintCode(app: App, typed: string): Promise<string> {
    return vault.fingerprint(new Secret(normaliseVerificationCode(typed) ?? ''), verificationCodeContext(app.app));
  }
}

/** The code that was typed, null where the mode asks for none. */
function codeOf(ctx: Context, { landing }: App): string | null {
  switch (landing.mode) {
    case 'confirm':
    case 'sign-in':
      return null;
    case 'verification-code':
      return formSlot.get(ctx).code?.trim() ?? '';
  }
}

function answer(ctx: Context, session: BrowserSession, result: CompleteResult<Connection>): void {
  const progress = `${sessionPath(session.app, session.id)}/progress`;
  switch (result.outcome) {
    case 'completed':
    case 'lost':
      return seeOther(ctx, progress);
    case 'already':
      // The second click of two finds its own connect under way; a page that is sent again later is over.
      if (result.session.status === 'completed') return seeOther(ctx, progress);
      throw buildPageError('session-used', { goOn: progress });
    case 'expired':
      throw buildPageError('session-expired');
    case 'code-rejected':
      return sendLanding(ctx, 'rejected');
    case 'ticket-rejected':
      throw buildSignInError('sign-in-rejected', session);
    case 'ticket-expired':
      throw buildSignInError('sign-in-expired', session);
    case 'rate-limited':
      throw buildPageError('rate-limited', { retryAfterMs: result.retryAfterMs });
  }
}
