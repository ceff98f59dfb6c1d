/** Tokens as the first idea has it: they lie in the workflow, and every read of one asks it with a query. */
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import { Client, Connection } from '@temporalio/client';
import Koa from 'koa';
import { announceReady } from '../../runtime/ready.ts';
import { heldTokenQuery } from './workflows.ts';

const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '' });
const client = new Client({ connection });
const router = new Router();
router.get<unknown, { params: { principal: string } }>('/v1/apps/:app/connections/:principal/token', async (ctx) => {
  ctx.body = await client.workflow.getHandle(ctx.params.principal).query(heldTokenQuery);
});
const server = new Koa().use(router.routes()).listen(0, '127.0.0.1', () => {
  announceReady(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', () => process.exit(0));
