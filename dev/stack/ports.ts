import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** Below what systems give to outgoing connections: such a port is still free when its server starts again later. */
const FIRST_PORT = 15_000;
const LAST_PORT = 32_000;
const TRIES = 20;

/** A port on which nobody listens at this moment. */
export async function freePort(host: string = LOOPBACK): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await isPortFree(port, host)) return port;
  }
  return await listenOnce(0, host);
}

export async function isPortFree(port: number, host: string = LOOPBACK): Promise<boolean> {
  try {
    await listenOnce(port, host);
    return true;
  } catch {
    return false;
  }
}

/** The first of the wanted ports that is free, else any free one. */
export async function choosePort(wanted: readonly (number | undefined)[], host: string = LOOPBACK): Promise<number> {
  for (const port of wanted) if (port !== undefined && (await isPortFree(port, host))) return port;
  return await freePort(host);
}

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      const { port: taken } = server.address() as AddressInfo;
      server.close(() => resolve(taken));
    });
  });
}
