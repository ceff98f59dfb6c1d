/** What a listener answers while the process is not ready yet: alive, but nothing to be sent here. */
import type { RequestListener } from 'node:http';
import { AppError } from '../core/errors.ts';
import { buildRefusal } from './refusal.ts';

const RETRY_MS = 2_000;

export const starting: RequestListener = (request, response) => {
  const waits = new AppError('database-unavailable', 'The process is starting: it waits for its database.', {
    retryAfterMs: RETRY_MS,
  });
  const given = request.headers['x-request-id'];
  const refusal = buildRefusal(waits, typeof given === 'string' ? given : '');
  const { 'retry-after': later = '', ...common } = refusal.headers;
  const json = { ...common, 'content-type': 'application/json' };
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      return void response.writeHead(200, json).end(JSON.stringify({ status: 'ok' }));
    case '/readyz': {
      const state = { ready: false, database: 'unknown', migrations: 'unknown', temporal: 'unknown' };
      return void response.writeHead(503, { ...json, 'retry-after': later }).end(JSON.stringify(state));
    }
    default:
      return void response.writeHead(refusal.status, refusal.headers).end(refusal.body);
  }
};
