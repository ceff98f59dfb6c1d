/** One HTTP exchange with Concur, without HTTP: what the endpoints judge and answer. */
export interface WireRequest {
  readonly method: string;
  /** Name of the data centre whose base URI was called. */
  readonly dataCentre: string;
  /** Query string without `?`. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Concur's endpoints, below the base URI of a data centre. */
export const endpoints = {
  token: { method: 'POST', path: '/oauth2/v0/token' },
  jwks: { method: 'GET', path: '/oauth2/v0/jwks' },
  revoke: { method: 'DELETE', path: '/app-mgmt/v0/connections' },
  profile: { method: 'GET', path: '/profile/v1/me' },
} as const;
export type Endpoint = keyof typeof endpoints;
export const endpointNames = Object.keys(endpoints) as readonly Endpoint[];

export function jsonResponse(status: number, body: unknown): WireResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
