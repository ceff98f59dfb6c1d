/**
 * The server behind the partner's site: the one call that a partner's backend makes once its user has signed in. Its
 * bearer token never reaches a browser.
 */
import { readFile } from 'node:fs/promises';
import { SandboxProblem } from '../model/problem.ts';

/** Where the partner's site finds Evergrant, and the bearer token that it calls with. */
export interface PartnerConfig {
  /** Base URL of Evergrant's API. */
  readonly apiUrl: string;
  /** Read anew at every call: a token is replaced before it expires. */
  readonly tokenFile: string;
}

const TIMEOUT_MS = 10_000;

/** Tells Evergrant who has signed in; the address to send the browser to. Throws {@link SandboxProblem} with what it answered. */
export async function completeSession(
  { apiUrl, tokenFile }: PartnerConfig,
  session: string,
  customerRef: string,
): Promise<string> {
  const token = await readFile(tokenFile, 'utf8').catch(() => {
    throw new SandboxProblem('invalid', `There is no bearer token in ${tokenFile}`);
  });
  const response = await fetch(new URL(`/v1/connect-sessions/${encodeURIComponent(session)}/complete`, apiUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ customer_ref: customerRef }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new SandboxProblem('invalid', `Evergrant does not answer at ${apiUrl}: ${(error as Error).message}`);
  });
  const answer = (await response.json()) as { readonly return_url?: string; readonly detail?: string };
  if (response.ok && answer.return_url !== undefined) return answer.return_url;
  throw new SandboxProblem('invalid', `Evergrant answered ${response.status}: ${answer.detail ?? 'nothing more'}`);
}
