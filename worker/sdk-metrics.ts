/**
 * The metrics of Temporal's SDK (polls, slots, task failures), which its native part serves on a port of its own: kept
 * on loopback and shown on the worker's page, so that there is one address to scrape.
 */
import { createServer, type AddressInfo } from 'node:net';
import type { RuntimeOptions } from '@temporalio/worker';
import type { Log } from '../core/ports.ts';

const LOOPBACK = '127.0.0.1';
const ANSWER_MS = 2_000;

export interface SdkMetrics {
  readonly telemetry: NonNullable<RuntimeOptions['telemetryOptions']>;
  /** In Prometheus' text format; nothing, and a warning, when it could not be had. */
  page(): Promise<string>;
}

export async function createSdkMetrics(log: Log): Promise<SdkMetrics> {
  const bindAddress = `${LOOPBACK}:${await freePort()}`;
  return {
    // Seconds, as everything else on the page.
    telemetry: { metrics: { prometheus: { bindAddress, useSecondsForDurations: true } } },
    async page() {
      try {
        const response = await fetch(`http://${bindAddress}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) });
        if (!response.ok) throw new Error(`status ${response.status}`);
        return await response.text();
      } catch (error) {
        log.warn({ err: error }, "the metrics of Temporal's SDK could not be read");
        return '';
      }
    },
  };
}

/** Nobody listens there at this moment: the SDK does not tell which port it took. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, LOOPBACK, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
