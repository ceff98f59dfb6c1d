/** What a call for somebody yet unknown obtained, as one secret text that can be sealed and kept. */
import type { MigratedGrant, TokenAnswer } from './ports.ts';
import { Secret } from './secret.ts';
import { parseTokenAnswer, serializeTokenAnswer } from './token-answer.ts';

/** Tokens, or (of a migration) a grant that has no access token yet. */
export type Obtained =
  | { readonly kind: 'tokens'; readonly answer: TokenAnswer }
  | { readonly kind: 'grant'; readonly grant: MigratedGrant };

export function serializeObtained(obtained: Obtained): Secret {
  if (obtained.kind === 'tokens') {
    return new Secret(JSON.stringify({ tokens: serializeTokenAnswer(obtained.answer).reveal() }));
  }
  const { refreshToken, ...plain } = obtained.grant;
  return new Secret(JSON.stringify({ grant: { ...plain, refreshToken: refreshToken.reveal() } }));
}

/** The inverse of {@link serializeObtained}; the text comes out of the vault and is trusted. */
export function parseObtained(serialized: Secret): Obtained {
  const { tokens, grant } = JSON.parse(serialized.reveal());
  if (tokens !== undefined) return { kind: 'tokens', answer: parseTokenAnswer(new Secret(tokens)) };
  return { kind: 'grant', grant: { ...grant, refreshToken: new Secret(grant.refreshToken) } };
}
