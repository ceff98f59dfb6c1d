/** Every route that needs a bearer token, each with a request that it takes. */
import { randomUUID } from 'node:crypto';
import type { Scope } from '../../api/schemas/operation.ts';

export interface Door {
  /** Id of its operation. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: (where: Where) => string;
  readonly scope: Scope;
  readonly body?: (where: Where) => Readonly<Record<string, unknown>>;
  /**
   * Where the principal is named; `nowhere`: the route concerns whoever it may turn out to be; `list`: it answers with those of
   * the caller alone; `session`: the session that is named has one.
   */
  readonly principal: 'path' | 'body' | 'nowhere' | 'list' | 'session';
}

/** What a request is about. */
export interface Where {
  readonly app: string;
  readonly principal: string;
  /** Of a connect session. */
  readonly ref: string;
}

const one = ({ app, principal }: Where): string => `/v1/apps/${app}/connections/${principal}`;
const all = ({ app }: Where): string => `/v1/apps/${app}/connections`;

export const doors: readonly Door[] = [
  { id: 'listConnections', method: 'GET', path: all, scope: 'connections:read', principal: 'list' },
  { id: 'showConnection', method: 'GET', path: one, scope: 'connections:read', principal: 'path' },
  {
    id: 'patchConnection',
    method: 'PATCH',
    path: one,
    scope: 'connections:write',
    principal: 'path',
    body: () => ({ customer_ref: 'c-1' }),
  },
  { id: 'listEvents', method: 'GET', path: (w) => `${one(w)}/events`, scope: 'connections:read', principal: 'path' },
  {
    id: 'connect',
    method: 'POST',
    path: all,
    scope: 'connections:connect',
    principal: 'body',
    body: ({ principal }) => ({ principal_id: principal, request_token: 'rt-1' }),
  },
  {
    id: 'showConnect',
    method: 'GET',
    path: ({ app }) => `/v1/apps/${app}/connects/${randomUUID()}`,
    scope: 'connections:connect',
    principal: 'nowhere',
  },
  { id: 'readToken', method: 'GET', path: (w) => `${one(w)}/token`, scope: 'tokens:read', principal: 'path' },
  {
    id: 'reportRejection',
    method: 'POST',
    path: (w) => `${one(w)}/token-rejected`,
    scope: 'tokens:read',
    principal: 'path',
    body: () => ({ version: 7 }),
  },
  ...(['refresh', 'revoke', 'pause', 'resume'] as const).map(
    (verb): Door => ({
      id: `${verb}Connection`,
      method: 'POST',
      path: (w) => `${one(w)}/${verb}`,
      scope: verb === 'refresh' ? 'connections:refresh' : 'connections:write',
      principal: 'path',
      body: () => ({}),
    }),
  ),
  {
    id: 'createVerificationCode',
    method: 'POST',
    path: ({ app }) => `/v1/apps/${app}/verification-codes`,
    scope: 'codes:write',
    principal: 'body',
    body: ({ principal }) => ({ principal_id: principal }),
  },
  {
    id: 'completeConnectSession',
    method: 'POST',
    path: ({ ref }) => `/v1/connect-sessions/${ref}/complete`,
    scope: 'connections:connect',
    principal: 'session',
    body: () => ({ customer_ref: 'c-1' }),
  },
];
