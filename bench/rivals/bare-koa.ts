/** The least that answers a request with Koa: a route, and a body that is always the same. */
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Koa from 'koa';
import { announceReady } from '../../runtime/ready.ts';

const body = process.env.BODY ?? '';
const router = new Router();
router.get('/v1/apps/:app/connections/:principal/token', (ctx) => {
  ctx.type = 'application/json';
  ctx.body = body;
});
const server = new Koa().use(router.routes()).listen(0, '127.0.0.1', () => {
  announceReady(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', () => process.exit(0));
