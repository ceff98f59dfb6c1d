/**
 * The socket that the ERP asks: HTTP over a path that its owner alone may open.
 *
 * `GET /token`: 200 with what the file holds, or 503 (409 when the connection has ended) that says why not.
 * `POST /rejected` `{version?, status?}`: SAP Concur refused it. `POST /refresh`: a new one although this works.
 * `GET /status`: for monitoring, without the token.
 */
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Keeper } from './keeper.ts';
import { isEnded } from './trouble.ts';

export interface Door {
  close(): Promise<void>;
}

const MOST_BYTES = 1_024;

/** Throws when another program listens there. The umask of the process keeps others out. */
export async function openDoor(path: string, keeper: Keeper): Promise<Door> {
  if (await isAnswered(path)) throw new Error(`${path}: another program listens there`);
  // Left by one that was killed.
  await rm(path, { force: true });
  const server = createServer((request, response) => {
    answer(request, response, keeper).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, keeper: Keeper): Promise<void> {
  const send = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const trouble = keeper.trouble();
  const problem = trouble === null ? null : { code: trouble.code, detail: trouble.message };
  const token = keeper.token();
  switch (`${request.method} ${request.url}`) {
    case 'GET /token':
      if (token !== null) return send(200, token);
      return send(isEnded(trouble) ? 409 : 503, problem ?? { code: 'starting', detail: 'There is no token yet.' });
    case 'GET /status': {
      const held = token === null ? null : { version: token.version, expires_at: token.expires_at };
      return send(200, { token: held, problem });
    }
    case 'POST /rejected': {
      const body = await readBody(request);
      if (body === null) return send(400, { code: 'bad-request', detail: 'Send {"version": 1, "status": 403}.' });
      return send(202, { is_current: keeper.reject(body.version, body.status) });
    }
    case 'POST /refresh':
      keeper.refresh();
      return send(202, {});
    default:
      return send(404, { code: 'not-found', detail: 'GET /token, GET /status, POST /rejected, POST /refresh' });
  }
}

/** No body is an empty one; null: not what was agreed. */
async function readBody(request: IncomingMessage): Promise<{ version?: number; status?: number } | null> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MOST_BYTES) return null;
  }
  try {
    const json: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof json !== 'object' || json === null) return null;
    const { version, status } = json as Record<string, unknown>;
    const isNumber = (value: unknown) => value === undefined || Number.isInteger(value);
    return isNumber(version) && isNumber(status) ? json : null;
  } catch {
    return null;
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
