/**
 * Looks into the product's process from inside, without a line in the product: loaded by `--import` into every thread
 * of it, it tells how large their heaps are after a collection. Needs `--expose-gc` and `MEMORY_PROBE_PORT`.
 */
import { createServer } from 'node:http';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

/** Longer than any of the collections. */
const ANSWERS_MS = 1_500;

function look() {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { threadId, heapBytes: heapUsed, externalBytes: external };
}

const channel = new BroadcastChannel('memory-probe');
if (isMainThread) {
  const server = createServer((_request, response) => {
    const threads = [look()];
    channel.onmessage = ({ data }) => {
      if (data !== 'look') threads.push(data);
    };
    channel.postMessage('look');
    setTimeout(() => response.end(JSON.stringify(threads)), ANSWERS_MS);
  });
  server.listen(Number(process.env.MEMORY_PROBE_PORT), '127.0.0.1');
  server.unref();
} else {
  channel.onmessage = ({ data }) => {
    if (data === 'look') channel.postMessage(look());
  };
}
channel.unref();
