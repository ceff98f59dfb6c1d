import type { IncomingMessage } from 'node:http';
import { SandboxProblem } from '../model/problem.ts';

const MOST_BYTES = 65_536;

/** The whole body as text; throws {@link SandboxProblem} above 64 KiB. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new SandboxProblem('invalid', 'the body is larger than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
