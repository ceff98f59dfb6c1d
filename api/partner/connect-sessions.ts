/** Landing mode `sign-in`: the partner's word on who has signed in, and the way back for that browser. */
import { AppError } from '../../core/errors.ts';
import type { BrowserSession } from '../../core/stores.ts';
import { actOf, authenticate, callerSlot, requireScope } from '../auth/authorize.ts';
import { mayUseApp, mayUsePrincipal } from '../auth/caller.ts';
import { isIdle } from '../connect/find-session.ts';
import { sessionPath } from '../connect/redirect.ts';
import { buildTicket, TICKET_TTL_MS } from '../connect/ticket.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { bodyInput } from '../input.ts';
import type { Route } from '../route.ts';
import { returnResource, sessionParams, signedInBody } from '../schemas/inputs.ts';
import { oneApp } from './resource.ts';

export function createConnectSessionRoutes(deps: ApiDeps): readonly Route[] {
  const { clock, rng, vault, sessions, publicUrl } = deps;
  const body = bodyInput(signedInBody);
  return [
    {
      method: 'post',
      path: '/v1/connect-sessions/:ref/complete',
      operation: {
        id: 'completeConnectSession',
        summary: 'Names the customer who signed in, and gives the way back for his browser',
        description:
          'For landing mode sign-in. Send the very browser in which the user signed in to `return_url`: it holds a ' +
          'ticket that works once, for two minutes, and only in the browser in which Connect was pressed. Called ' +
          'again, an earlier ticket is void.',
        scope: 'connections:connect',
        params: sessionParams,
        body: { schema: signedInBody, isRequired: true, example: { customer_ref: 'customer-4711' } },
        answers: [{ status: 200, description: 'Where to send the browser', body: returnResource }],
      },
      steps: [
        authenticate(deps),
        requireScope('connections:connect'),
        body.read,
        async (ctx) => {
          const session = await oneSession(callerSlot.get(ctx), ctx.params.ref ?? '');
          const { app, landing } = await oneApp(deps, session.app);
          if (landing.mode !== 'sign-in')
            throw new AppError('conflict', 'The app has another landing mode than sign-in.');
          const ticketId = rng.token(16);
          const nowMs = clock.now();
          const isIssued =
            !isIdle(session, nowMs) &&
            (await sessions.issueTicket(
              {
                app,
                id: session.id,
                ticketId,
                customerRef: body.get(ctx).customer_ref,
                nowMs,
                expiresAtMs: nowMs + TICKET_TTL_MS,
              },
              actOf(ctx),
            ));
          if (!isIssued)
            throw new AppError('session-expired', 'The connect session is over. Connect has to be pressed again.');
          const ticket = await buildTicket(vault, session.id, ticketId);
          ctx.set('cache-control', 'no-store');
          ctx.body = { return_url: `${publicUrl}${sessionPath(app, session.id)}/return?ticket=${ticket}` };
        },
      ],
    },
  ];

  /** Whoever may not use its app or its principal can't tell it from one that doesn't exist. */
  async function oneSession(caller: Caller, ref: string): Promise<BrowserSession> {
    const session = /^[\w-]{1,64}$/.test(ref) ? await sessions.maybeOneByRef(ref) : null;
    if (session === null || !mayUseApp(caller, session.app) || !mayUseSessionOf(caller, session)) {
      throw new AppError('not-found', 'There is no such connect session.');
    }
    return session;
  }
}

function mayUseSessionOf(caller: Caller, { principal }: BrowserSession): boolean {
  return principal === null ? caller.principals === null : mayUsePrincipal(caller, principal);
}
