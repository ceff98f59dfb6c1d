import { readFile } from 'node:fs/promises';
import { decodeJwt } from 'jose';
import type { Auth } from '../partner-service/bearer.ts';
import type { Log } from './log.ts';
import type { Settings } from './settings.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 7 * DAY_MS;

/** A bearer token is read for every request, so that its file can be renewed under way; its end is announced. */
export function createAuth({ credential }: Settings, log: Log): Auth {
  if (credential.kind === 'jwk') {
    const { clientId, jwk } = credential;
    return { signer: { clientId, jwk, scopes: ['tokens:read', 'connections:refresh'] } };
  }
  let warnedAtMs = 0;
  return {
    async token() {
      const token = (await readFile(credential.file, 'utf8')).trim();
      const endsAtMs = expiryOf(token);
      if (endsAtMs - Date.now() < WARN_BEFORE_MS && Date.now() - warnedAtMs > DAY_MS) {
        warnedAtMs = Date.now();
        log.warn("the client's bearer token ends soon: ask the partner for a new one and replace the file", {
          file: credential.file,
          ends_at: new Date(endsAtMs).toISOString(),
        });
      }
      return token;
    },
  };
}

/** Without a readable end it is Evergrant's to judge. */
function expiryOf(token: string): number {
  try {
    const { exp } = decodeJwt(token);
    return exp === undefined ? Number.MAX_SAFE_INTEGER : exp * 1_000;
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}
