/** What a browser proves itself with: nothing of it is stored in clear, and no comparison tells how much was right. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** What is stored of a cookie's secret: SHA-256, base64url. It has 256 random bits, so a fast hash will do. */
export function hashCookieSecret(secret: string): string {
  return digest(secret).toString('base64url');
}

/** Compares in the same time wherever the first difference is. */
export function isSameText(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
