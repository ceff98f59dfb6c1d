/** Every answer has a request id: the caller's, if it is a harmless word, else one of ours. */
import type { Rng } from '../../core/ports.ts';
import type { Step } from '../route.ts';
import { createSlot } from '../slot.ts';

export const requestIdSlot = createSlot<string>('request id');

export function requestId(rng: Pick<Rng, 'uuid'>): Step {
  return (ctx, next) => {
    const id = pickRequestId(ctx.get('x-request-id'), () => rng.uuid());
    requestIdSlot.set(ctx, id);
    ctx.set('x-request-id', id);
    return next() as Promise<void>;
  };
}

/** `given`: the header, as Node has it. */
export function pickRequestId(given: string | readonly string[] | undefined, makeUuid: () => string): string {
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : makeUuid();
}
