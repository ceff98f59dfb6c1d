import type { Kek } from '../core/kek.ts';
import { Secret } from '../core/secret.ts';
import { text } from './values.ts';

const KEY_BYTES = 32;
const howToMakeOne = `node -p "'k1:' + crypto.randomBytes(32).toString('base64url')"`;

/**
 * `kid:base64url-of-32-bytes[,kid:...]`, the current one first. The message can't quote what is wrong: it is a
 * secret.
 */
export const keks = text(
  `kid:base64url-of-32-bytes, each kid once, more of them after commas; ${howToMakeOne} makes one`,
  (value): readonly Kek[] | null => {
    const found = value.split(',').map(parseKek);
    const kids = new Set(found.map((kek) => kek?.kid));
    return found.every((kek) => kek !== null) && kids.size === found.length ? found : null;
  },
);

function parseKek(entry: string): Kek | null {
  const [, kid, key] = /^([\w.-]{1,64}):([\w-]{43})=?$/.exec(entry.trim()) ?? [];
  if (kid === undefined || key === undefined || Buffer.from(key, 'base64url').byteLength !== KEY_BYTES) return null;
  return { kid, key: new Secret(key) };
}
