/**
 * Secrets that were committed by mistake. Known shapes first, then assignments of values too random to have been
 * made up by a person.
 */
import type { RepositoryFile } from './repository-files.ts';

export interface LeakedSecret {
  readonly kind: string;
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** Shapes that nothing but a secret has. */
const shapes: Readonly<Record<string, RegExp>> = {
  'private key': /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/,
  'private JWK': /"d"\s*:\s*"[A-Za-z0-9_-]{32,}"/,
  JWT: /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}/,
  JWE: /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{22}\b/,
  'AWS access key': /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/,
  'GitHub token': /\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{60,}/,
  'npm token': /\bnpm_[A-Za-z0-9]{36}\b/,
  'Slack token': /\bxox[abeoprs]-[A-Za-z0-9-]{20,}/,
  'Google API key': /\bAIza[A-Za-z0-9_-]{35}\b/,
  'Stripe key': /\b[rs]k_live_[A-Za-z0-9]{20,}/,
  'webhook secret': /\bwhsec_[A-Za-z0-9+/]{24,}={0,2}/,
  'password in a URL': /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"'`${}<>]{1,80}:([^\s:/@"'`${}<>]{1,80})@[^\s"'`]+/,
};

/** `secret = "…"`, `password: '…'`, `TOKEN=…` with a literal value. */
const ASSIGNMENT =
  /(?:secret|password|passwd|token|api[_-]?key|credential|private[_-]?key|kek)s?["'`\]]?\s*(?::|=|=>)\s*["'`]?([A-Za-z0-9+/_=-]{20,})/gi;

/** Bits per character: base64 of random bytes has more than this from twenty characters on, words and paths have less. */
const LEAST_ENTROPY = 4;

/** Values in the clear on purpose; whoever reads them gains nothing. */
const harmlessPasswords: ReadonlySet<string> = new Set(
  '1 b pass pass-word password hush secret postgres temporal evergrant'.split(' '),
);

/** Generated, or full of hashes of packages. */
const NOT_SCANNED = /^package-lock\.json$/;

export function scanForSecrets(files: readonly RepositoryFile[]): readonly LeakedSecret[] {
  return files
    .filter(({ path }) => !NOT_SCANNED.test(path))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((content, index) => secretsIn(content).map((kind) => ({ kind, path, line: index + 1 }))),
    );
}

function secretsIn(line: string): readonly string[] {
  const known = Object.entries(shapes).flatMap(([kind, shape]) => {
    const match = shape.exec(line);
    return match === null || harmlessPasswords.has(match[1] ?? '') ? [] : [kind];
  });
  const random = [...line.matchAll(ASSIGNMENT)].filter(([, value]) => looksRandom(value ?? ''));
  return random.length === 0 ? known : [...known, 'high-entropy value'];
}

/** Digits and both cases, or hex, and more bits per character than a person makes up. */
function looksRandom(value: string): boolean {
  const isHex = /^[0-9a-f]{32,}$/i.test(value);
  const isMixed = /[0-9]/.test(value) && /[a-z]/.test(value) && /[A-Z]/.test(value);
  return (isHex && entropyOf(value) > 3) || (isMixed && entropyOf(value) >= LEAST_ENTROPY);
}

/** Shannon's, in bits per character. */
function entropyOf(value: string): number {
  const counts = new Map<string, number>();
  for (const character of value) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length);
  return bits;
}
