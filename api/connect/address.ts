import { isIPv6 } from 'node:net';
import type { Vault } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';

/** A visitor's address for the limits on wrong codes: keyed, as an address is personal data. */
export function fingerprintAddress(vault: Vault, address: string): Promise<string> {
  return vault.fingerprint(new Secret(networkOf(address)), 'address');
}

/** An IPv4 address, or the 64-bit prefix of an IPv6 one: whoever has one of its addresses has all of them. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = plain.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const gap = plain.includes('::') ? Array.from({ length: 8 - before.length - after.length }, () => '0') : [];
  return [...before, ...gap, ...after]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
