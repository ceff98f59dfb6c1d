/** Verification codes for landing pages: shown once, stored as a fingerprint. */
import { AppError } from '../../core/errors.ts';
import { formatTime } from '../../core/connection-resource.ts';
import { Secret } from '../../core/secret.ts';
import { buildVerificationCode, CODE_BYTES, verificationCodeContext } from '../../core/verification-code.ts';
import { parseDuration } from '../../runtime/duration.ts';
import { appOf, authenticate, beyondToken, callerSlot, requireApp, requireScope } from '../auth/authorize.ts';
import { mayUsePrincipal } from '../auth/caller.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { bodyInput } from '../input.ts';
import { requestIdSlot } from '../middleware/request-id.ts';
import type { Route } from '../route.ts';
import { appParams, codeBody, codeResource } from '../schemas/inputs.ts';
import { oneApp } from './resource.ts';

const DAY_MS = 86_400_000;
const DEFAULT_TTL_MS = 7 * DAY_MS;
const LONGEST_TTL_MS = 30 * DAY_MS;

export function createVerificationCodeRoutes(deps: ApiDeps): readonly Route[] {
  const { clock, rng, vault, codes } = deps;
  const body = bodyInput(codeBody);
  return [
    {
      method: 'post',
      path: '/v1/apps/:app/verification-codes',
      operation: {
        id: 'createVerificationCode',
        summary: 'A verification code for a customer; it is shown this once',
        scope: 'codes:write',
        params: appParams,
        body: { schema: codeBody, isRequired: false, example: { customer_ref: 'customer-4711', ttl: '7d' } },
        answers: [{ status: 201, description: 'The code', body: codeResource }],
      },
      steps: [
        authenticate(deps),
        requireScope('codes:write'),
        requireApp,
        body.read,
        async (ctx) => {
          const caller = callerSlot.get(ctx);
          const given = body.get(ctx);
          const principal = given.principal_id ?? null;
          assertOwnPrincipal(caller, principal);
          const app = await oneApp(deps, appOf(ctx));
          const ttlMs = given.ttl === undefined ? DEFAULT_TTL_MS : (parseDuration(given.ttl) ?? DEFAULT_TTL_MS);
          if (ttlMs > LONGEST_TTL_MS)
            throw new AppError('bad-request', 'ttl: must be at most 30d', { details: { fields: ['ttl'] } });
          const code = buildVerificationCode(Buffer.from(rng.token(CODE_BYTES), 'base64url'));
          const nowMs = clock.now();
          await codes.create({
            app: app.app,
            fingerprint: await vault.fingerprint(new Secret(code), verificationCodeContext(app.app)),
            label: given.label ?? null,
            customerRef: given.customer_ref ?? null,
            principal,
            createdBy: caller.actor,
            correlationId: requestIdSlot.get(ctx),
            createdAtMs: nowMs,
            expiresAtMs: nowMs + ttlMs,
          });
          ctx.status = 201;
          ctx.set('cache-control', 'no-store');
          ctx.body = { code, expires_at: formatTime(nowMs + ttlMs) };
        },
      ],
    },
  ];
}

/** A code without a principal lets any company in: a caller with some principals only can't make one. */
function assertOwnPrincipal(caller: Caller, principal: string | null): void {
  if (principal === null && caller.principals !== null) {
    throw beyondToken('This caller has to name one of its principals as principal_id.');
  }
  if (principal !== null && !mayUsePrincipal(caller, principal)) {
    throw beyondToken('This caller may not use that principal.');
  }
}
