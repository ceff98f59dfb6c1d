/**
 * Where each sealed value belongs: table, row and column. The context is authenticated with the value, so a cell
 * that was copied elsewhere does not open. Tokens name the attempt that obtained them instead of the column, because
 * they move between columns (current, previous, candidate) without being sealed again.
 */
export const sealContexts = {
  accessToken: (connectionId: string, attemptId: string) => `access_tokens:${connectionId}:${attemptId}`,
  refreshToken: (connectionId: string, attemptId: string) => `connections:${connectionId}:${attemptId}:refresh_token`,
  answer: (connectionId: string, attemptId: string) => `refresh_attempts:${connectionId}:${attemptId}:answer`,
  requestToken: (sessionId: string) => `connect_sessions:${sessionId}:request_token`,
  /** The answer to a connect while nobody knows whose connection it will be. */
  unidentifiedAnswer: (sessionId: string) => `connect_sessions:${sessionId}:answer`,
  clientSecret: (secretId: string) => `app_secrets:${secretId}:client_secret`,
  webhookSecret: (secretId: string) => `webhook_secrets:${secretId}:secret`,
  issuerKey: (kid: string) => `issuer_keys:${kid}:private_jwk`,
} as const;
