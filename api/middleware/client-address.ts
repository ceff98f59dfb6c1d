/** `ctx.ip` behind proxies: only what a trusted proxy says counts, read from the nearest hop outwards. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Step } from '../route.ts';

/** `trusted`: addresses and ranges such as `10.0.0.0/8`. */
export function clientAddress(trusted: readonly string[]): Step {
  const proxies = buildBlockList(trusted);
  const isTrusted = (address: string): boolean => proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  return (ctx, next) => {
    let address = plain(ctx.req.socket.remoteAddress ?? '');
    const hops = ctx
      .get('x-forwarded-for')
      .split(',')
      .map((hop) => plain(hop.trim()));
    while (isIP(address) !== 0 && isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    ctx.request.ip = address;
    return next() as Promise<void>;
  };
}

/** IPv4 as IPv6 writes it is IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

function buildBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
