/** A whole token answer as one secret text, so that it can be sealed and kept until it has been dealt with. */
import type { TokenAnswer } from './ports.ts';
import { Secret } from './secret.ts';

export function serializeTokenAnswer(answer: TokenAnswer): Secret {
  const { accessToken, refreshToken, idToken, ...plain } = answer;
  return new Secret(
    JSON.stringify({
      ...plain,
      accessToken: accessToken.reveal(),
      refreshToken: refreshToken?.reveal() ?? null,
      idToken: idToken?.reveal() ?? null,
    }),
  );
}

/** The inverse of {@link serializeTokenAnswer}; the text comes out of the vault and is trusted. */
export function parseTokenAnswer(serialized: Secret): TokenAnswer {
  const plain = JSON.parse(serialized.reveal());
  const secretOf = (value: string | null) => (value === null ? null : new Secret(value));
  return {
    ...plain,
    tokenType: plain.tokenType ?? 'Bearer',
    accessToken: new Secret(plain.accessToken),
    refreshToken: secretOf(plain.refreshToken),
    idToken: secretOf(plain.idToken),
  };
}
