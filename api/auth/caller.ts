import type { ApiClient } from '../../core/stores.ts';
import type { Caller } from '../deps.ts';
import { scopes } from '../schemas/operation.ts';

/** What a bearer token, once verified, claims. */
export interface VerifiedToken {
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly apps: readonly string[] | '*';
  /** Lower-case UUIDs; null: every principal of its apps. */
  readonly principals: readonly string[] | null;
  readonly expiresAtMs: number;
}

/** Who asks, and what for: the token's claims within the ceilings of its client. */
export function buildCaller(token: VerifiedToken, client: ApiClient): Caller {
  return {
    clientId: token.clientId,
    actor: `client:${token.clientId}`,
    scopes: new Set(scopes.filter((scope) => token.scopes.has(scope) && client.scopes.includes(scope))),
    apps: narrow(token.apps, client.apps),
    principals: narrowPrincipals(token.principals, client.principals),
  };
}

export function mayUseApp(caller: Caller, app: string): boolean {
  return caller.apps === '*' || caller.apps.includes(app);
}

export function mayUsePrincipal(caller: Caller, principal: string): boolean {
  return caller.principals === null || caller.principals.includes(principal);
}

function narrow(claimed: Caller['apps'], ceiling: Caller['apps']): Caller['apps'] {
  if (claimed === '*') return ceiling;
  return ceiling === '*' ? claimed : claimed.filter((app) => ceiling.includes(app));
}

function narrowPrincipals(claimed: Caller['principals'], ceiling: Caller['principals']): Caller['principals'] {
  if (claimed === null) return ceiling;
  return ceiling === null ? claimed : claimed.filter((principal) => ceiling.includes(principal));
}
