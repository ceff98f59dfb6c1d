/** Signatures of Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body, one for each secret in use. */
import { createHmac, randomBytes } from 'node:crypto';
import { Secret } from '../core/secret.ts';

const PREFIX = 'whsec_';

/** A new secret, as partners write it down: `whsec_` and 32 random bytes in base64. */
export function generateWebhookSecret(): Secret {
  return new Secret(`${PREFIX}${randomBytes(32).toString('base64')}`);
}

/** Headers of one try. `sentAtMs`: of this try, so that a receiver can refuse what is replayed by others. */
export function signatureHeaders(
  secrets: readonly Secret[],
  { messageId, sentAtMs, body }: { readonly messageId: string; readonly sentAtMs: number; readonly body: string },
): Record<string, string> {
  const timestamp = String(Math.floor(sentAtMs / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.reveal().slice(PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${messageId}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': messageId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}
