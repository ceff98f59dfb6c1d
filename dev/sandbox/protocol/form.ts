import { Refusal } from '../model/refusal.ts';
import type { WireRequest } from './wire.ts';

const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Names that must never stand in a URL (Concur's docs, Authentication). */
const secretNames = new Set([
  'client_id',
  'client_secret',
  'password',
  'refresh_token',
  'access_token',
  'requesttoken',
  'token',
  'code',
  'username',
  'otp',
]);

/**
 * The fields of a token request. Refuses what Concur's gateway refuses: a chunked body, keys, secrets and tokens in the
 * URL, any content type but the exact one (`; charset=utf-8` is code 135), and a field given twice (RFC 6749 section 3.2).
 */
export function parseTokenForm(request: WireRequest): ReadonlyMap<string, string> {
  if (request.headers['transfer-encoding'] !== undefined || request.headers['content-length'] === undefined) {
    throw new Refusal(107, { status: 411, description: 'chunked bodies are not supported: send Content-Length' });
  }
  for (const name of new URLSearchParams(request.query).keys()) {
    if (secretNames.has(name.toLowerCase())) {
      throw new Refusal(107, { description: `${name} is not accepted in the URL: send it in the body` });
    }
  }
  if (request.headers['content-type'] !== FORM_TYPE) {
    throw new Refusal(135, { description: `content type must be exactly ${FORM_TYPE}` });
  }
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(request.body)) {
    if (fields.has(name)) throw new Refusal(107, { description: `${name} was supplied twice` });
    fields.set(name, value);
  }
  return fields;
}
