/** TLS in front of a plain server on loopback, as a load balancer ends it. */
import { connect } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import type { Certified } from './certificates.ts';

export interface TlsFront {
  readonly port: number;
  close(): Promise<void>;
}

export async function startTlsFront({ certificate, key }: Certified, port: number): Promise<TlsFront> {
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert: certificate, key }, (socket) => {
    sockets.add(socket);
    const inner = connect(port, '127.0.0.1');
    socket.pipe(inner).pipe(socket);
    for (const each of [socket, inner]) each.on('error', () => undefined);
    inner.on('close', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      inner.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
