/**
 * The read of a token by a caller who is known already, in front of Koa: nearly all that is ever asked, many thousand
 * times a second. It does what the token route does, by the same functions, and says the same to the byte; a test sends the
 * same requests both ways. What differs in anything from the plain case, and whoever may not, is left to Koa before anything
 * was done or counted. See docs/adr/0010-the-hot-read-in-front-of-koa.md.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '../core/errors.ts';
import { bearerOf } from './auth/authorize.ts';
import { mayUseApp, mayUsePrincipal } from './auth/caller.ts';
import { TOKEN_READ_COST } from './auth/caller-limits.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { takesJson } from './middleware/acceptable.ts';
import { pickRequestId } from './middleware/request-id.ts';
import type { buildSecurityHeaders } from './middleware/security-headers.ts';
import { TOKEN_ROUTE, TOKEN_SCOPE } from './partner/tokens.ts';
import { noteProblem, PROBLEM_TYPE } from './problem.ts';
import type { RequestRecord } from './request-record.ts';
import { APP_NAME, PRINCIPAL_ID } from './schemas/fields.ts';

/** {@link TOKEN_ROUTE} with what its parameters may be: no query, nothing escaped. */
const PLAIN_READ = new RegExp(
  `^${TOKEN_ROUTE.replace(':app', `(${within(APP_NAME)})`).replace(':principal', `(${within(PRINCIPAL_ID)})`)}$`,
);
/** As Koa has it. */
const JSON_TYPE = 'application/json; charset=utf-8';

/** Takes a request, or leaves it alone and says false. */
type FastRead = (request: IncomingMessage, response: ServerResponse) => boolean;

export function createFastRead(
  { authenticator, tokens, log, rng }: Pick<ApiDeps, 'authenticator' | 'tokens' | 'log' | 'rng'>,
  {
    record,
    headers: security,
  }: { readonly record: RequestRecord; readonly headers: ReturnType<typeof buildSecurityHeaders> },
): FastRead {
  const fixedHeaders = [...security.flat(), 'cache-control', 'no-store'];

  const take: FastRead = (request, response) => {
    const startedAtMs = performance.now();
    const { method, url, headers } = request;
    if (method !== 'GET' || url === undefined || !headers.host) return false;
    const [, app, given] = PLAIN_READ.exec(url) ?? [];
    if (app === undefined || given === undefined || !takesJson(headers.accept ?? '')) return false;
    const bearer = bearerOf(headers.authorization ?? '');
    if (bearer === undefined) return false;
    const principal = given.toLowerCase();
    const admits = (caller: Caller): boolean =>
      caller.scopes.has(TOKEN_SCOPE) && mayUseApp(caller, app) && mayUsePrincipal(caller, principal);
    const caller = authenticator.maybeKnown(bearer, TOKEN_READ_COST, admits);
    if (caller === null) return false;

    const requestId = pickRequestId(headers['x-request-id'], () => rng.uuid());
    const send = (status: number, code: ErrorCode | undefined, moreHeaders: readonly string[], body: string): void => {
      const { clientId } = caller;
      record({ route: TOKEN_ROUTE, method, status, startedAtMs, requestId, clientId, code });
      const length = String(Buffer.byteLength(body));
      response.writeHead(status, [
        'x-request-id',
        requestId,
        ...fixedHeaders,
        ...moreHeaders,
        'Content-Length',
        length,
      ]);
      response.end(body);
    };
    const answer = (body: string): void => send(200, undefined, ['Content-Type', JSON_TYPE], body);
    const refuse = (thrown: unknown): void => {
      const { problem, headers: told } = noteProblem(log, thrown, requestId);
      const others = Object.entries(told).filter(([name]) => name !== 'cache-control');
      const moreHeaders = [...others.flat(), 'content-type', PROBLEM_TYPE];
      send(problem.status, problem.code, moreHeaders, JSON.stringify(problem));
    };

    const key = { app, principal };
    const reader = { actor: caller.actor, reason: null, correlationId: requestId };
    const body = tokens.maybeFromMemory(key, 0, reader);
    if (body !== null) answer(body);
    else
      tokens
        .read(key, 0, reader)
        .then(answer, refuse)
        .catch((failure: unknown) => {
          log.error({ err: failure, request_id: requestId }, 'an answer could not be sent');
          response.destroy();
        });
    return true;
  };

  return (request, response) => {
    try {
      return take(request, response);
    } catch (failure) {
      log.error({ err: failure }, 'a read of a token failed on our side');
      // Koa says what is to be said of it, where nothing was said yet.
      if (response.headersSent) response.destroy();
      return response.headersSent;
    }
  };
}

/** A pattern without its anchors. */
function within({ source }: RegExp): string {
  return source.slice(1, -1);
}
