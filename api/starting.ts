/** What a listener answers while the process is not ready yet: alive, but nothing to be sent here. */
import type { RequestListener } from 'node:http';

export const starting: RequestListener = (request, response) => {
  const isAlive = request.url === '/healthz';
  const body = isAlive ? { status: 'ok' } : { status: 'starting', ready: false };
  response
    .writeHead(isAlive ? 200 : 503, {
      'content-type': 'application/json',
      'retry-after': '2',
      'cache-control': 'no-store',
    })
    .end(JSON.stringify(body));
};
