/** One HTTP exchange with Concur, without HTTP: what the endpoints judge and answer. */
export interface WireRequest {
  readonly method: string;
  /** Name of the data centre (or legacy instance) whose base URI was called. */
  readonly dataCentre: string;
  /** Query string without `?`. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Segments of the path that the endpoint's own path leaves open. */
  readonly params?: Readonly<Record<string, string>>;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface EndpointFacts {
  readonly method: string;
  readonly path: string;
  /** Where it is found: below the base URIs of data centres, of legacy instances, or of both. */
  readonly at: 'data-centres' | 'legacy-instances' | 'both';
}

/** Concur's endpoints, below the base URI of a data centre or legacy instance. */
export const endpoints = {
  token: { method: 'POST', path: '/oauth2/v0/token', at: 'data-centres' },
  jwks: { method: 'GET', path: '/oauth2/v0/jwks', at: 'data-centres' },
  revoke: { method: 'DELETE', path: '/app-mgmt/v0/connections', at: 'data-centres' },
  profile: { method: 'GET', path: '/profile/v1/me', at: 'both' },
  migration: {
    method: 'POST',
    path: '/appmgmt/v0/legacyApps/:legacyClientId/exchangeRefreshToken/me',
    at: 'data-centres',
  },
  'legacy-token': { method: 'GET', path: '/net2/oauth2/getaccesstoken.ashx', at: 'legacy-instances' },
  'legacy-revoke': { method: 'POST', path: '/net2/oauth2/revoketoken.ashx', at: 'legacy-instances' },
} as const satisfies Readonly<Record<string, EndpointFacts>>;
export type Endpoint = keyof typeof endpoints;
export const endpointNames = Object.keys(endpoints) as readonly Endpoint[];

export function jsonResponse(status: number, body: unknown): WireResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
