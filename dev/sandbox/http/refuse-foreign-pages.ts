import type { Middleware } from 'koa';
import { SandboxProblem } from '../model/problem.ts';

/** A page of another site that the developer's browser has open must not be able to command the sandbox. */
export const refuseForeignPages: Middleware = async (ctx, next) => {
  const origin = ctx.get('origin');
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD' && origin !== '' && hostOf(origin) !== ctx.host) {
    throw new SandboxProblem('forbidden', 'commands from pages of another origin are refused');
  }
  await next();
};

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
