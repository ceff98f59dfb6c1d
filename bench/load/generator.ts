/** The load generator: a process of its own, told by IPC what to ask. */
import { setTimeout as pause } from 'node:timers/promises';
import { announceReady } from '../../runtime/ready.ts';
import { percentile } from '../statistics.ts';
import type { LoadOrder, LoadResult, Target, Targets } from './orders.ts';
import { startRequestLoop } from './request-loop.ts';

let targets: Targets['targets'] = {};
/** Where each target goes on: the next measurement asks for what was not asked for yet. */
const positions = new Map<string, number>();

async function load({ target: name, connections, ms }: LoadOrder): Promise<LoadResult> {
  const target = targets[name];
  if (target === undefined) throw new Error(`there is no target ${name}`);
  const times: number[] = [];
  const failures: Record<string, number> = {};
  const startedAtMs = performance.now();
  const loops = Array.from({ length: connections }, (_, index) =>
    startRequestLoop({
      host: target.host,
      port: target.port,
      next: nextRequest(name, target, index),
      onAnswer(status, tookMs) {
        times.push(tookMs);
        if (status !== 200) failures[status] = (failures[status] ?? 0) + 1;
      },
    }),
  );
  await Promise.all(loops.map(({ opened }) => opened));
  await pause(ms);
  await Promise.all(loops.map((loop) => loop.stop()));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  return {
    requestsPerSecond: times.length / seconds,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    requests: times.length,
    failures,
  };
}

function nextRequest(name: string, { host, port, paths, tokens }: Target, index: number): () => string {
  const token = tokens[index % tokens.length];
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  const rest = ` HTTP/1.1\r\nHost: ${host}:${port}\r\nAccept: application/json\r\n${authorization}\r\n`;
  return () => {
    const position = positions.get(name) ?? 0;
    positions.set(name, (position + 1) % paths.length);
    return `GET ${paths[position]}${rest}`;
  };
}

process.on('message', (order: Targets | LoadOrder) => {
  if (order.kind === 'targets') {
    ({ targets } = order);
    return;
  }
  void load(order).then((result) => process.send?.(result));
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
announceReady(null);
