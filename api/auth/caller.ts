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
  /** What its issuer may give at most; absent: what the client of ours may do that it is for. */
  readonly ceiling?: Ceiling;
}

/** What a token can't go beyond, whatever it claims. */
export type Ceiling = Pick<ApiClient, 'scopes' | 'apps' | 'principals'>;

/** Who asks, and what for: the token's claims within the ceiling of its client or issuer. */
export function buildCaller(token: VerifiedToken, ceiling: Ceiling): Caller {
  return {
    clientId: token.clientId,
    actor: `client:${token.clientId}`,
    scopes: new Set(scopes.filter((scope) => token.scopes.has(scope) && ceiling.scopes.includes(scope))),
    apps: narrow(token.apps, ceiling.apps),
    principals: narrowPrincipals(token.principals, ceiling.principals),
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
