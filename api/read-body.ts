import { AppError, isAppError } from '../core/errors.ts';
import type { Context } from './route.ts';

/** Largest body of any request, in bytes. */
const BODY_LIMIT_BYTES = 64 * 1024;

/**
 * Reads a request's body as text; an empty string when there is none.
 * Errors: `payload-too-large`, `unsupported-media-type` (type or encoding), `bad-request` (not UTF-8, or broken off).
 */
export async function readBody(ctx: Context, mediaTypes: readonly string[]): Promise<string> {
  const announced = Number(ctx.get('content-length') || 0);
  if (announced > BODY_LIMIT_BYTES) throw tooLarge(ctx);
  const hasBody = announced > 0 || ctx.get('transfer-encoding') !== '';
  if (!hasBody) return '';
  assertMediaType(ctx, mediaTypes);
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving this loop early must not destroy the socket: the answer still has to go out on it.
  try {
    for await (const chunk of ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > BODY_LIMIT_BYTES) throw tooLarge(ctx);
      chunks.push(chunk);
    }
  } catch (cause) {
    // The caller hung up, or what it sent was no body any more: nobody is there to be told, and nothing is wrong here.
    if (!ctx.req.complete && !isAppError(cause)) throw new AppError('bad-request', 'The body broke off.', { cause });
    throw cause;
  }
  if (length === 0) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new AppError('bad-request', 'The body is no UTF-8.', { cause });
  }
}

function assertMediaType(ctx: Context, mediaTypes: readonly string[]): void {
  const [mediaType = '', ...parameters] = ctx.get('content-type').toLowerCase().split(';');
  const charset = parameters.map((parameter) => /^\s*charset="?([^"\s]+)"?\s*$/.exec(parameter)?.[1]).find(Boolean);
  const isEncoded = !['', 'identity'].includes(ctx.get('content-encoding'));
  if (!mediaTypes.includes(mediaType.trim()) || (charset ?? 'utf-8') !== 'utf-8' || isEncoded) {
    throw new AppError('unsupported-media-type', `The body must be ${mediaTypes.join(' or ')} in UTF-8, not encoded.`);
  }
}

/** What is left of the body is thrown away while the answer goes out, and the connection ends with it. */
function tooLarge(ctx: Context): AppError {
  ctx.set('connection', 'close');
  ctx.req.resume();
  return new AppError('payload-too-large', `The body is larger than ${BODY_LIMIT_BYTES} bytes.`);
}
