/** What the agent is told, by flags or by the environment; a flag wins. Everything that is wrong is named at once. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { parseArgs } from 'node:util';
import type { JWK } from 'jose';

export interface Settings {
  readonly url: string;
  readonly app: string;
  readonly principal: string;
  readonly credential:
    | { readonly kind: 'token'; readonly file: string }
    | { readonly kind: 'jwk'; readonly clientId: string; readonly jwk: JWK };
  /** Where the ERP finds its token; null where it asks the socket. */
  readonly tokenPath: string | null;
  readonly socketPath: string | null;
  readonly checkEveryMs: number;
  readonly aheadMs: number;
}

/** Its message names every value that is wrong, a line each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Flag, variable, what it is. */
const known = [
  ['url', 'EVERGRANT_URL', 'address of Evergrant, https'],
  ['app', 'EVERGRANT_APP', "name of the partner's app"],
  ['principal', 'EVERGRANT_PRINCIPAL', 'UUID of the company at SAP Concur'],
  ['bearer-file', 'EVERGRANT_TOKEN_FILE', 'bearer token of the client, or:'],
  ['jwk-file', 'EVERGRANT_JWK_FILE', "the client's private key (JWK), with:"],
  ['client-id', 'EVERGRANT_CLIENT_ID', 'id of the client that has the public key'],
  ['token-path', 'ERP_TOKEN_PATH', 'file to keep a valid access token in, and/or:'],
  ['socket', 'ERP_SOCKET', 'socket that answers GET /token'],
  ['check-every', 'ERP_CHECK_EVERY', 'how often Evergrant is asked what is new; 5m, 5s to 30m'],
  ['ahead', 'ERP_REFRESH_AHEAD', 'how long before its end a token is replaced; 5m, 1s to 25m'],
] as const;
type Flag = (typeof known)[number][0];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** What the kernel takes for the path of a socket. */
const LONGEST_SOCKET_PATH = 107;
const MINUTE_MS = 60_000;

export const usage = `Keeps a valid SAP Concur access token at hand for an ERP. Flags, or the environment:

${known.map(([flag, variable, what]) => `  --${flag.padEnd(12)} ${variable.padEnd(21)} ${what}`).join('\n')}

HTTPS_PROXY and NO_PROXY are honoured, NODE_EXTRA_CA_CERTS adds authorities.
`;

/** Reads the files it is pointed to. Throws {@link SettingsError}; null: help was asked for. */
export function parseSettings(argv: readonly string[], env: NodeJS.ProcessEnv): Settings | null {
  const wrong: string[] = [];
  const given = parseFlags(argv, wrong);
  if (given === null) return null;
  const nameOf = new Map<Flag, string>(known.map(([flag, variable]) => [flag, variable]));
  const value = (flag: Flag): string => (given[flag] ?? env[nameOf.get(flag) ?? ''] ?? '').trim();
  const complain = (flag: Flag, what: string) => wrong.push(`${nameOf.get(flag)} (--${flag}): ${what}`);
  const need = (flag: Flag, isRight: (text: string) => boolean, what: string): string => {
    const text = value(flag);
    if (!isRight(text)) complain(flag, text === '' ? `is missing; ${what}` : what);
    return text;
  };
  const file = (flag: Flag): string => {
    try {
      const { mode } = statSync(value(flag));
      // Its group may be that of a service manager that hands out credentials.
      if ((mode & 0o007) !== 0) complain(flag, 'others may read it: chmod 600');
      return readFileSync(value(flag), 'utf8').trim();
    } catch (error) {
      complain(flag, `can't be read (${codeOf(error)})`);
      return '';
    }
  };
  const place = (flag: Flag): string | null => {
    const path = value(flag);
    if (path === '') return null;
    try {
      if (!isAbsolute(path)) complain(flag, 'must be an absolute path');
      else accessSync(dirname(path), constants.W_OK | constants.X_OK);
    } catch (error) {
      complain(flag, `can't write to ${dirname(path)} (${codeOf(error)})`);
    }
    return path;
  };
  const duration = (flag: Flag, leastMs: number, mostMs: number, otherwise: number): number => {
    const text = value(flag);
    const ms = text === '' ? otherwise : parseDuration(text);
    if (ms === null || ms < leastMs || ms > mostMs) {
      complain(flag, `must be a duration such as 5m, from ${leastMs / 1_000}s to ${mostMs / MINUTE_MS}m`);
      return otherwise;
    }
    return ms;
  };

  const url = need('url', isUrl, 'must be an https address (http for this machine alone)');
  const app = need('app', (text) => /^[a-z0-9-]{1,40}$/.test(text), 'must be 1 to 40 of a-z, 0-9 and -');
  const principal = need('principal', (text) => UUID.test(text), 'must be a UUID').toLowerCase();

  let credential: Settings['credential'] = { kind: 'token', file: value('bearer-file') };
  if ((value('bearer-file') === '') === (value('jwk-file') === '')) {
    complain('bearer-file', `give either this or ${nameOf.get('jwk-file')}`);
  } else if (credential.file === '') {
    const clientId = need('client-id', (text) => text !== '', 'belongs to the key');
    credential = {
      kind: 'jwk',
      clientId,
      jwk: parsePrivateKey(file('jwk-file'), (what) => complain('jwk-file', what)),
    };
  } else {
    file('bearer-file');
  }

  const tokenPath = place('token-path');
  const socketPath = place('socket');
  if (tokenPath === null && socketPath === null) complain('token-path', `give this, ${nameOf.get('socket')}, or both`);
  if (Buffer.byteLength(socketPath ?? '') > LONGEST_SOCKET_PATH) {
    complain('socket', `is longer than ${LONGEST_SOCKET_PATH} bytes`);
  }
  const checkEveryMs = duration('check-every', 5_000, 30 * MINUTE_MS, 5 * MINUTE_MS);
  const aheadMs = duration('ahead', 1_000, 25 * MINUTE_MS, 5 * MINUTE_MS);
  if (wrong.length > 0)
    throw new SettingsError(`the configuration is wrong:\n${wrong.map((line) => `  ${line}`).join('\n')}`);
  return { url, app, principal, credential, tokenPath, socketPath, checkEveryMs, aheadMs };
}

/** Null for help. */
function parseFlags(argv: readonly string[], wrong: string[]): Partial<Record<Flag, string>> | null {
  const options = Object.fromEntries(known.map(([flag]) => [flag, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...argv], options: { ...options, help: { type: 'boolean', short: 'h' } } });
    return values.help === true ? null : (values as Partial<Record<Flag, string>>);
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
    return {};
  }
}

function isUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, search } = new URL(text);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return (protocol === 'https:' || (protocol === 'http:' && isHere)) && username === '' && search === '';
}

function parseDuration(text: string): number | null {
  const [, count, unit] = /^(\d{1,6})(s|m)$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * (unit === 's' ? 1_000 : MINUTE_MS);
}

function parsePrivateKey(text: string, complain: (what: string) => void): JWK {
  try {
    const jwk = text === '' ? {} : (JSON.parse(text) as JWK);
    if (text !== '' && (typeof jwk.kty !== 'string' || typeof jwk.d !== 'string'))
      complain('holds no private key (JWK)');
    return jwk;
  } catch {
    complain('is no JSON');
    return {};
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
