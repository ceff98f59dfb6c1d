/** The steps at the head of every partner route: who calls, and may they? All before any look-up. */
import { z } from 'zod';
import type { Act } from '../../core/audit-entry.ts';
import { AppError } from '../../core/errors.ts';
import type { ConnectionKey } from '../../core/connection.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { parseInput } from '../input.ts';
import { requestIdSlot } from '../middleware/request-id.ts';
import type { Context, Step } from '../route.ts';
import { APP_NAME, principalId } from '../schemas/fields.ts';
import type { Scope } from '../schemas/operation.ts';
import { createSlot } from '../slot.ts';
import { mayUseApp, mayUsePrincipal } from './caller.ts';

export const callerSlot = createSlot<Caller>('caller');
const principalSlot = createSlot<string>('principal');
/** By its name, so that an answer can say what is wrong. */
const principalParams = z.object({ principal: principalId });

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** The bearer token in an `authorization` header (RFC 6750 section 2.1). */
export function bearerOf(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.[1];
}

/** The token is good, but not for this (RFC 6750 section 3.1). */
export function beyondToken(message: string, scope?: Scope): AppError {
  const details = { challenge: 'insufficient_scope', ...(scope === undefined ? {} : { scope }) };
  return new AppError('forbidden', message, { details });
}

/** `cost`: what the request counts for in the limit of its client. */
export function authenticate({ authenticator }: Pick<ApiDeps, 'authenticator'>, cost = 1): Step {
  return async (ctx, next) => {
    const address = ctx.request.ip;
    const given = ctx.get('authorization');
    const bearer = bearerOf(given);
    if (bearer === undefined) {
      authenticator.refuse(address);
      const details = /^Bearer\b/i.test(given) ? {} : { challenge: 'none' };
      throw new AppError('unauthenticated', 'Send a bearer token: Authorization: Bearer ...', { details });
    }
    callerSlot.set(ctx, await authenticator.authenticate(bearer, { address, cost }));
    await next();
  };
}

export function requireScope(scope: Scope): Step {
  return (ctx, next) => {
    if (!callerSlot.get(ctx).scopes.has(scope)) {
      throw beyondToken(`This needs the scope ${scope}.`, scope);
    }
    return next() as Promise<void>;
  };
}

/** The app of the path is one of the caller's. What can't be an app's name ends here: no store is asked for it. */
export const requireApp: Step = (ctx, next) => {
  if (!mayUseApp(callerSlot.get(ctx), appOf(ctx))) throw beyondToken('This caller may not use that app.');
  if (!APP_NAME.test(appOf(ctx))) throw new AppError('not-found', 'There is no such app.');
  return next() as Promise<void>;
};

/** The principal of the path is one of the caller's. */
export const requirePrincipal: Step = (ctx, next) => {
  const { principal } = parseInput(principalParams, { principal: ctx.params.principal });
  if (!mayUsePrincipal(callerSlot.get(ctx), principal)) {
    throw beyondToken('This caller may not use that principal.');
  }
  principalSlot.set(ctx, principal);
  return next() as Promise<void>;
};

export function appOf(ctx: Context): string {
  return ctx.params.app ?? '';
}

/** Who asks, why, and in which request: for the audit trail. */
export function actOf(ctx: Context, reason: string | null = null): Act {
  return { actor: callerSlot.get(ctx).actor, reason, correlationId: requestIdSlot.get(ctx) };
}

/** App and principal of the path, both checked. */
export function keyOf(ctx: Context): ConnectionKey {
  return { app: appOf(ctx), principal: principalSlot.get(ctx) };
}
