import { isIP, isIPv4 } from 'node:net';

/** Whether a host (as `URL.hostname` gives it, or as somebody wrote it) is this machine itself. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/** An IP address, or a range of them such as `10.0.0.0/8`. */
export function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

/** What may be reached without TLS: nothing in production; loopback and `alsoAllowed` in development. */
export function mayBePlain(url: URL, development: boolean, alsoAllowed: readonly string[] = []): boolean {
  return development && (isLoopback(url.hostname) || alsoAllowed.includes(url.hostname.toLowerCase()));
}
