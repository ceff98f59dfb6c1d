import { AppError } from '../../core/errors.ts';
import { readBody } from '../read-body.ts';
import type { Step } from '../route.ts';
import { createSlot } from '../slot.ts';
import { sessionSlot } from './find-session.ts';
import { buildPageError } from './page-error.ts';
import { isSameText } from './proofs.ts';

/** What was filled in, each field once. */
export const formSlot = createSlot<Readonly<Record<string, string>>>('form');

/** Reads the form of a landing page; a field that comes twice is refused. */
export const readForm: Step = async (ctx, next) => {
  const fields = [...new URLSearchParams(await readBody(ctx, ['application/x-www-form-urlencoded']))];
  const form = Object.fromEntries(fields);
  if (Object.keys(form).length !== fields.length) {
    throw new AppError('bad-request', 'A field was given more than once.', { details: { topic: 'page-out-of-date' } });
  }
  formSlot.set(ctx, form);
  await next();
};

/** Only the page that this session was shown can have sent the form. */
export const assertOwnForm: Step = async (ctx, next) => {
  const { csrf = '' } = formSlot.get(ctx);
  if (!isSameText(csrf, sessionSlot.get(ctx).csrf)) throw buildPageError('page-out-of-date');
  await next();
};
