/** Longest pause that an answer can ask for: beyond it, somebody's clock or unit is wrong. */
const MAX_PAUSE_MS = 24 * 60 * 60 * 1_000;

/**
 * `Retry-After` in milliseconds from now: seconds or an HTTP date (RFC 9110 section 10.2.3), at most a day. Null
 * when it is missing or neither.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1_000, MAX_PAUSE_MS);
  // Only the shape of a date: `Date.parse` finds one in nearly everything.
  if (!/^[A-Z][a-z]{2,8},? \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.min(Math.max(0, atMs - nowMs), MAX_PAUSE_MS);
}
