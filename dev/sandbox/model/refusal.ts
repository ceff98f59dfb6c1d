/**
 * The answers with which Concur's token endpoint refuses (Concur's docs, Authentication, response codes).
 * Where the docs list several codes for one thing, the sandbox gives each its own trigger, so that all of them occur.
 */

interface RefusalFacts {
  readonly status: number;
  readonly error: string;
  readonly description: string;
}

const table = {
  5: [400, 'invalid_grant', 'Incorrect credentials. Please Retry'],
  10: [403, 'invalid_grant', 'Account is disabled. Please contact support'],
  11: [403, 'invalid_grant', 'Account is disabled. Please contact support'],
  12: [403, 'invalid_grant', 'Logon Denied. Please contact support'],
  13: [403, 'invalid_grant', 'Logon Denied. Please contact support'],
  14: [403, 'invalid_grant', 'Account Locked. Please contact support'],
  16: [400, 'invalid_request', 'user lives elsewhere'],
  19: [400, 'invalid_grant', 'Incorrect credentials. Please Retry'],
  20: [403, 'invalid_grant', 'Logon Denied. Please contact support'],
  51: [400, 'invalid_request', 'username was not supplied'],
  52: [400, 'invalid_request', 'password was not supplied'],
  53: [403, 'invalid_client', 'company is not enabled for this client'],
  54: [400, 'invalid_scope', 'requested scope exceeds granted scope'],
  55: [400, 'invalid_request', "we don't know this email"],
  59: [403, 'access_denied', 'client disabled'],
  60: [400, 'invalid_grant', 'these are not the grants you are looking for'],
  61: [401, 'invalid_client', 'client not found'],
  62: [400, 'invalid_request', 'client_id was not supplied'],
  63: [400, 'invalid_request', 'client_secret was not supplied'],
  64: [401, 'invalid_client', 'Incorrect credentials. Please Retry'],
  65: [400, 'invalid_request', 'grant_type was not supplied'],
  100: [400, 'invalid_request', 'backend does not know about this username'],
  101: [400, 'invalid_request', 'code was not supplied'],
  102: [400, 'invalid_request', 'redirect_uri was not supplied'],
  105: [400, 'invalid_grant', 'this grant was not issued to you!'],
  106: [400, 'invalid_request', 'refresh_token was not supplied'],
  107: [400, 'invalid_request', 'the request is malformed or not allowed for this app'],
  108: [400, 'invalid_grant', 'bad or expired refresh token'],
  109: [400, 'invalid_request', 'loginid was not supplied'],
  115: [401, 'invalid_request', 'unauthenticated client will not be issued token!'],
  120: [400, 'invalid_request', 'credtype is invalid'],
  121: [400, 'invalid_request', 'login_type is invalid'],
  123: [403, 'invalid_request', 'principal is disabled'],
  124: [400, 'invalid_request', 'the request is not supported for this principal'],
  134: [400, 'invalid_request', 'company undergoing scheduled maintenance'],
  135: [400, 'invalid_request', 'content type is not supported'],
  136: [400, 'invalid_grant', 'the token has been used too often'],
} as const satisfies Record<number, readonly [status: number, error: string, description: string]>;

export type RefusalCode = keyof typeof table;

/** What Concur answers for a code; a code that the table lacks reads as an `invalid_request`. */
export function refusalFacts(code: number): RefusalFacts {
  const row = (table as Readonly<Record<number, readonly [number, string, string] | undefined>>)[code];
  if (row === undefined) return { status: 400, error: 'invalid_request', description: `error ${code}` };
  return { status: row[0], error: row[1], description: row[2] };
}

/** Concur says no. Thrown by the model, written on the wire by the protocol. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  /** Where the principal lives (code 16). */
  readonly homeDataCentre: string | null;
  /** Overrides of the table's OAuth error and HTTP status. */
  readonly error: string | null;
  readonly status: number | null;

  constructor(
    code: RefusalCode,
    more: { description?: string; homeDataCentre?: string; error?: string; status?: number } = {},
  ) {
    super(more.description ?? refusalFacts(code).description);
    this.code = code;
    this.homeDataCentre = more.homeDataCentre ?? null;
    this.error = more.error ?? null;
    this.status = more.status ?? null;
  }
}
