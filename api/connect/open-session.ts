/** The arrival from Concur: what is to be exchanged is sealed at once, and nothing is exchanged. */
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import type { App, BrowserSession } from '../../core/stores.ts';
import type { ApiDeps } from '../deps.ts';
import type { Context, Step } from '../route.ts';
import { fingerprintAddress } from './address.ts';
import { type Arrival, parseArrival } from './arrival.ts';
import type { ArrivalLimit } from './arrival-limit.ts';
import { appSlot } from './find-app.ts';
import { isHolder, isIdle } from './find-session.ts';
import { hashCookieSecret } from './proofs.ts';
import { seeOther, sessionPath } from './redirect.ts';
import type { SessionCookies } from './session-cookie.ts';

interface OpenSessionDeps extends Pick<ApiDeps, 'vault' | 'rng' | 'clock' | 'sessions' | 'requestTokenTtlMs'> {
  readonly cookies: SessionCookies;
  readonly arrivals: ArrivalLimit;
}

/** Begins a session, or goes on with the one that this browser began with the same request token. */
export function openSession(deps: OpenSessionDeps): Step {
  const { vault, rng, clock, sessions, cookies, arrivals } = deps;

  async function maybeKnown(ctx: Context, app: App, tokenFingerprint: string): Promise<BrowserSession | null> {
    const held = new Map(cookies.many(ctx).map(({ sessionId, secret }) => [sessionId, secret]));
    if (held.size === 0) return null;
    const nowMs = clock.now();
    const known = await sessions.manyByRequestToken(app.app, tokenFingerprint);
    return known.find((session) => isHolder(session, held.get(session.id) ?? '') && !isIdle(session, nowMs)) ?? null;
  }

  async function begin(ctx: Context, app: App, arrival: Arrival, tokenFingerprint: string): Promise<string> {
    arrivals.count(ctx.ip);
    const id = rng.token(16);
    const secret = rng.token(32);
    const nowMs = clock.now();
    await sessions.open({
      id,
      app: app.app,
      kind: arrival.kind,
      principal: arrival.principal,
      dataCentre: arrival.dataCentre,
      cookieHash: hashCookieSecret(secret),
      csrf: rng.token(16),
      ref: rng.token(16),
      requestToken: await vault.seal(new Secret(arrival.secret), sealContexts.requestToken(id)),
      requestTokenFingerprint: tokenFingerprint,
      addressFingerprint: await fingerprintAddress(vault, ctx.ip),
      userId: arrival.userId,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + deps.requestTokenTtlMs,
    });
    cookies.issue(ctx, id, secret);
    return id;
  }

  return async (ctx) => {
    const app = appSlot.get(ctx);
    const arrival = parseArrival(ctx, app);
    if (ctx.method === 'HEAD') {
      // Whoever looks at a link beforehand begins nothing.
      ctx.type = 'text/html; charset=utf-8';
      ctx.status = 200;
      return;
    }
    const tokenFingerprint = await vault.fingerprint(new Secret(arrival.secret), 'request-token');
    const known = await maybeKnown(ctx, app, tokenFingerprint);
    seeOther(ctx, sessionPath(app.app, known?.id ?? (await begin(ctx, app, arrival, tokenFingerprint))));
  };
}
