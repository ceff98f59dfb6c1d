/** What an orchestrator and Prometheus ask of a worker: `/healthz`, `/readyz`, `/metrics`. */
import { createServer, type Server } from 'node:http';
import type { Metrics } from '../runtime/metrics.ts';

export interface OpsServerDeps {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Of Temporal's SDK, in the same format. */
  readonly sdkPage: () => Promise<string>;
  /** Whether the workers poll. */
  readonly isReady: () => boolean;
}

export async function startOpsServer({ host, port, metrics, sdkPage, isReady }: OpsServerDeps): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    switch (request.url) {
      case '/healthz':
        return answer(200, 'ok\n');
      case '/readyz':
        return isReady() ? answer(200, 'ready\n') : answer(503, 'not ready\n');
      case '/metrics':
        Promise.all([metrics.registry.metrics(), sdkPage()]).then(
          (pages) => answer(200, pages.join('\n'), metrics.registry.contentType),
          () => answer(500, 'the metrics could not be collected\n'),
        );
        return;
      default:
        return answer(404, 'not found\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}
