import type { Context } from '../route.ts';

/** Where the pages of a session are. */
export function sessionPath(app: string, sessionId: string): string {
  return `/connect/${app}/s/${sessionId}`;
}

/** 303: whatever the method was, the next page is asked for with GET (RFC 9110 section 15.4.4). */
export function seeOther(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.set('location', path);
  ctx.body = '';
}

/** Answers with a page. */
export function sendPage(ctx: Context, page: string, status = 200): void {
  ctx.status = status;
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = page;
}
