/** The partner API speaks JSON; a caller that takes none of it is told so before anything is done. */
import { AppError } from '../../core/errors.ts';
import type { Step } from '../route.ts';

export const acceptable: Step = (ctx, next) => {
  const isApi = ctx.path.startsWith('/v1/');
  if (isApi && !takesJson(ctx.get('accept')) && ctx.accepts('application/json', 'application/problem+json') === false) {
    throw new AppError('not-acceptable', 'Answers come as application/json.');
  }
  return next() as Promise<void>;
};

/** What nearly everybody sends needs no reading: all, or JSON before anything else. */
export function takesJson(accept: string): boolean {
  return accept === '' || accept === '*/*' || /^application\/json(,|$)/.test(accept);
}
