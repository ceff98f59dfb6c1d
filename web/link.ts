/** Addresses of the apps file, judged once more where they become links: no `javascript:` ever reaches a page. */

/** The address when a browser may be led there (https, http, mailto), else null. */
export function safeHref(address: string | null): string | null {
  if (address === null || !URL.canParse(address)) return null;
  return ['https:', 'http:', 'mailto:'].includes(new URL(address).protocol) ? address : null;
}

/**
 * The address with one more query parameter, null when it is none that a browser may be led to. What the query holds
 * already stays as it is, byte for byte, but for a parameter of the same name.
 */
export function hrefWithParameter(address: string | null, name: string, value: string): string | null {
  const href = safeHref(address);
  if (href === null) return null;
  const url = new URL(href);
  const others = url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !new URLSearchParams(pair).has(name));
  url.search = [...others, `${name}=${encodeURIComponent(value)}`].join('&');
  return url.href;
}

/** Origin of an image that a page shows, for its content security policy; null when it shows none. */
export function imageOrigin(address: string | null): string | null {
  const href = safeHref(address);
  if (href === null) return null;
  const { origin } = new URL(href);
  // A host may hold a semicolon, which would end the policy's directive.
  return /^https?:\/\/[\w.:[\]-]+$/.test(origin) ? origin : null;
}
