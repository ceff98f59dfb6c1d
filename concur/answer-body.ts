/** Reading what Concur sends: JSON, HTML from a gateway, or nothing; numbers as numbers or as strings of digits. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The body as a JSON object; null for anything else. */
export function parseJsonObject(body: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}

/** A whole number, zero or more, also when it comes as a string of digits; null for anything else. */
export function parseCount(value: unknown): number | null {
  const number = typeof value === 'string' && /^\s*\d{1,15}\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && number >= 0 && number <= Number.MAX_SAFE_INTEGER ? Math.floor(number) : null;
}

/** A string of visible ASCII, as tokens are (RFC 6749 appendix A); null for anything else. */
export function parseToken(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 65_536 && /^[\x21-\x7e]+$/.test(value) ? value : null;
}

/**
 * A short line of text for people: trimmed, without control characters, cut to `maxLength`; null when nothing is left. No half
 * of a character is left in it either, as the database takes none in JSON, and a name must not keep tokens from being saved.
 */
export function parseText(value: unknown, maxLength: number): string | null {
  if (typeof value !== 'string') return null;
  const text = value
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, maxLength)
    .replace(/\p{Surrogate}/gu, '\u{fffd}');
  return text === '' ? null : text;
}
