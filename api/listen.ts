/** HTTP listeners with limits for slow and idle callers, and an orderly end. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../core/errors.ts';

export interface Listener {
  readonly port: number;
  /** Answers what is under way, then ends. */
  close(): Promise<void>;
}

const HEADERS_MS = 10_000;
/** Longer than the longest wait of a route. */
const REQUEST_MS = 60_000;
const KEEP_ALIVE_MS = 65_000;
const DRAIN_MS = 5_000;

/** @throws `configuration-invalid` when the address is taken. `variable` names the one to change. */
export async function listen(
  handler: RequestListener,
  { host, port, variable }: { readonly host: string; readonly port: number; readonly variable: string },
): Promise<Listener> {
  const server = createServer(
    { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    handler,
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new AppError(
          'configuration-invalid',
          `${variable}: cannot listen on ${host}:${port} (${error.code}). Set another one.`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
