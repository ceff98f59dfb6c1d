import type { AppCredentials, HttpRequest } from '../core/ports.ts';

/** `path` below a base URI, whether or not that ends in a slash. */
export function buildUrl(baseUri: string, path: string): string {
  return baseUri.replace(/\/+$/, '') + path;
}

/**
 * A request to the token endpoint. The content type is bare (Concur refuses `; charset=utf-8` with code 135), and the
 * secrets are in the body: Concur rejects them in a URL.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-3.2
 */
export function buildTokenRequest(
  baseUri: string,
  credentials: AppCredentials,
  parameters: Readonly<Record<string, string>>,
): HttpRequest {
  const form = new URLSearchParams({
    client_id: credentials.clientId,
    client_secret: credentials.clientSecret.reveal(),
    ...parameters,
  });
  return {
    method: 'POST',
    url: buildUrl(baseUri, '/oauth2/v0/token'),
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
  };
}
