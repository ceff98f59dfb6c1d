import type { Rng } from '../../../core/ports.ts';

/**
 * A token in the form of Concur's examples: 36 characters with four dashes, looking like a UUID and not being one. Every
 * fifth is 30 characters without dashes, since Concur promises no format.
 */
export function opaqueToken(rng: Rng, serial: number): string {
  const symbols = rng.token(24).replaceAll('-', 'x').replaceAll('_', 'y').toLowerCase();
  if (serial % 5 === 4) return symbols.slice(0, 30);
  return [
    symbols.slice(0, 8),
    symbols.slice(8, 12),
    symbols.slice(12, 16),
    symbols.slice(16, 20),
    symbols.slice(20, 32),
  ].join('-');
}

/** A JWT by its looks: header, claims and a signature of random bytes. Nobody verifies access tokens but Concur itself. */
export function jwtLike(rng: Rng, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT', kid: 'access' })}.${part(claims)}.${rng.token(64)}`;
}
