/**
 * The file that the ERP reads: readable by its owner alone, replaced as a whole (a reader sees the old or the new one),
 * gone when there is no token that works. It also carries the agent over a restart.
 */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';

export interface KeptToken {
  readonly app: string;
  readonly principal: string;
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'OAuth';
  /** RFC 3339, by the clock of this machine. */
  readonly expires_at: string;
  /** Base URI of every call with this token. */
  readonly geolocation: string;
  readonly version: number;
}

export interface TokenFile {
  /** Null: none, or none of ours. */
  read(): Promise<KeptToken | null>;
  write(token: KeptToken): Promise<void>;
  remove(): Promise<void>;
}

const OWNER_ALONE = 0o600;

export function createTokenFile(path: string): TokenFile {
  const draft = `${path}.new`;
  return {
    async read() {
      try {
        const { mode } = await stat(path);
        // Whoever could write it could send the ERP's calls anywhere.
        return (mode & 0o077) === 0 ? parseToken(await readFile(path, 'utf8')) : null;
      } catch {
        return null;
      }
    },
    async write(token) {
      // Left by a crash, with whatever permissions.
      await rm(draft, { force: true });
      const file = await open(draft, 'wx', OWNER_ALONE);
      try {
        await file.writeFile(`${JSON.stringify(token)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    },
    remove: () => rm(path, { force: true }),
  };
}

function parseToken(text: string): KeptToken | null {
  const json = JSON.parse(text) as Partial<KeptToken> | null;
  const texts = [json?.app, json?.principal, json?.access_token, json?.token_type, json?.expires_at, json?.geolocation];
  const isWhole = texts.every((value) => typeof value === 'string') && typeof json?.version === 'number';
  return isWhole && Number.isFinite(Date.parse(json.expires_at ?? '')) ? (json as KeptToken) : null;
}
