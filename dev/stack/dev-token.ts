/** The bearer token of a development stack: allowed everything, for every app, kept in a file of EVERGRANT_HOME. */
import { readIfThere, writePrivateFile } from './private-file.ts';
import { runCommand } from './run-command.ts';

const scopes = [
  'connections:read',
  'connections:write',
  'connections:refresh',
  'connections:connect',
  'tokens:read',
  'codes:write',
] as const;

const TTL = '30d';
/** A token with less life than this is replaced. */
const LEAST_LIFE_MS = 7 * 86_400_000;
const CREATE_MS = 60_000;
const CHECK_MS = 5_000;

export interface TokenOptions {
  /** Where the token lies, mode 0600. */
  readonly path: string;
  /** The command line and its environment. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Resolves with the API's URL once it answers. */
  readonly api: Promise<string>;
  /** An app that the API knows. */
  readonly app: string;
  readonly signal: AbortSignal;
}

/**
 * Keeps the token of last time while it will do for some days, else has the command line make a client. Throws with
 * what the command line said.
 */
export async function ensureToken(options: TokenOptions): Promise<void> {
  const { path, command, args, env, signal } = options;
  const known = (await readIfThere(path))?.trim() ?? '';
  if (expiryOf(known) - Date.now() > LEAST_LIFE_MS && (await isAccepted(known, options))) return;
  const lines: string[] = [];
  const flags = scopes.flatMap((scope) => ['--scope', scope]);
  const create = ['clients', 'create', '--name', 'dev', ...flags, '--app', '*', '--ttl', TTL, '--json'];
  const { code, tail } = await runCommand(command, [...args, ...create], {
    env,
    signal,
    timeoutMs: CREATE_MS,
    onLine: (line) => lines.push(line),
  });
  const token = code === 0 ? tokenIn(lines.join('\n')) : null;
  if (token === null) throw new Error(`The development token could not be made:\n${tail}`);
  await writePrivateFile(path, `${token}\n`);
}

/** A token of last time may be from another database, for another address, or revoked. */
async function isAccepted(token: string, { api, app, signal }: TokenOptions): Promise<boolean> {
  const response = await fetch(`${await api}/v1/apps/${app}/connections?limit=1`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS)]),
  });
  await response.body?.cancel();
  return response.status !== 401;
}

function tokenIn(output: string): string | null {
  const start = output.indexOf('{');
  try {
    const { token } = JSON.parse(output.slice(start)) as { readonly token?: unknown };
    return typeof token === 'string' ? token : null;
  } catch {
    return null;
  }
}

/** `exp` of a JWT in milliseconds, unverified; 0 when there is none. */
function expiryOf(token: string): number {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const { exp } = JSON.parse(payload) as { readonly exp?: unknown };
    return typeof exp === 'number' ? exp * 1_000 : 0;
  } catch {
    return 0;
  }
}
