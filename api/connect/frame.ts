import type { Landing } from '../../core/stores.ts';
import type { Subject, Texts } from '../../web/texts/catalogue.ts';
import { pickTexts } from '../../web/texts/pick-texts.ts';
import type { Context } from '../route.ts';
import { appSlot } from './find-app.ts';
import { setPagePolicy } from './page-policy.ts';

/** What every page of an app is made of. */
export interface Frame {
  readonly texts: Texts;
  readonly landing: Landing;
  readonly subject: Subject;
}

/** Tells the browser what the page is going to be made of, too. */
export function frameOf(ctx: Context): Frame {
  const { landing, principal } = appSlot.get(ctx);
  setPagePolicy(ctx, landing);
  return { texts: textsFor(ctx), landing, subject: principal };
}

/** The texts in the browser's language, which the answer then says to depend on it (RFC 9110 section 12.5.5). */
export function textsFor(ctx: Context): Texts {
  const texts = pickTexts(ctx.get('accept-language'));
  ctx.vary('Accept-Language');
  ctx.set('content-language', texts.lang);
  return texts;
}
