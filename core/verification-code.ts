/**
 * Verification codes: what an administrator reads from a letter or hears on the telephone and types. Crockford's
 * Base32 has no letters that look alike; ten symbols carry 50 bits.
 */

/** Crockford's Base32: digits and capitals without I, L, O, U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SYMBOLS = 10;
const GROUP = 5;

/** Random bytes that one code takes. */
export const CODE_BYTES = SYMBOLS;

/** Builds a code such as `7Q2MX-0KD4T` from at least {@link CODE_BYTES} random bytes, of which five bits each count. */
export function buildVerificationCode(random: Uint8Array): string {
  if (random.length < CODE_BYTES) throw new RangeError(`A code takes ${CODE_BYTES} random bytes`);
  const symbols = Array.from(random.subarray(0, CODE_BYTES), (byte) => ALPHABET.charAt(byte & 31)).join('');
  return `${symbols.slice(0, GROUP)}-${symbols.slice(GROUP)}`;
}

/**
 * What was typed, as it was built: any case, with or without hyphens and blanks, O for 0, I and L for 1. Null for what
 * can't be a code.
 */
export function normaliseVerificationCode(typed: string): string | null {
  if (typed.length > 64) return null;
  const compact = typed.replace(/[\s\-\u2010-\u2015]/g, '');
  // Before the case is folded: capitals of some other alphabets' letters are ours.
  if (!/^[0-9A-Za-z]+$/.test(compact)) return null;
  const symbols = compact.toUpperCase().replace(/O/g, '0').replace(/[IL]/g, '1');
  if (symbols.length !== SYMBOLS || [...symbols].some((symbol) => !ALPHABET.includes(symbol))) return null;
  return `${symbols.slice(0, GROUP)}-${symbols.slice(GROUP)}`;
}

/** Context of a code's keyed fingerprint: the same word typed for another app is another code. */
export function verificationCodeContext(app: string): string {
  return `verification_codes:${app}`;
}
