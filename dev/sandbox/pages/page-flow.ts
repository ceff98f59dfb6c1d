import type { Context } from 'koa';
import type { SandboxControl } from '../control.ts';
import { readBody } from '../http/read-body.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import type { Flash, Flashes } from './flashes.ts';

export interface PageDeps {
  readonly control: SandboxControl;
  readonly model: ConcurModel;
  readonly flashes: Flashes;
}

/** What the page is to say once, if a command led here. */
export function takeFlash(ctx: Context, flashes: Flashes): Flash | undefined {
  const key = ctx.query['flash'];
  return flashes.take(typeof key === 'string' ? key : undefined);
}

export async function readForm(ctx: Context): Promise<URLSearchParams> {
  return new URLSearchParams(await readBody(ctx.req));
}

/** Back to a page, which says what has happened. */
export function goBack(ctx: Context, flashes: Flashes, path: string, flash: Flash): void {
  ctx.status = 303;
  ctx.redirect(`${path}${path.includes('?') ? '&' : '?'}flash=${flashes.put(flash)}`);
}
