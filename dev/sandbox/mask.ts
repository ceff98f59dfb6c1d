/** Enough of a secret to tell it from another, and no more: `3f2a…91bc`. */
export function mask(secret: string): string {
  return secret.length < 12 ? '…' : `${secret.slice(0, 4)}…${secret.slice(-4)}`;
}
