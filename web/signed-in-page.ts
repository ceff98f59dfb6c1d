import type { BrowserSession, Landing } from '../core/stores.ts';
import { isolateName } from './bidi.ts';
import { html } from './html.ts';
import { renderPage } from './layout.ts';
import { renderSide } from './side.ts';
import type { Subject, Texts } from './texts/catalogue.ts';

export interface SignedInPage {
  readonly texts: Texts;
  readonly landing: Landing;
  readonly subject: Subject;
  readonly session: Pick<BrowserSession, 'principal' | 'csrf'>;
  /** As whom the partner knows the user who signed in. */
  readonly customerRef: string;
  readonly ticket: string;
  /** Where the form is sent, and from where one can sign in once more. */
  readonly landingPath: string;
}

/** The last page of landing mode `sign-in`: which company is going to be connected to which account. */
export function renderSignedInPage({
  texts,
  landing,
  subject,
  session,
  customerRef,
  ticket,
  landingPath,
}: SignedInPage): string {
  const brand = isolateName(landing.brand);
  const title = texts.landing.title(brand);
  const button = texts.signedIn.button;
  return renderPage({
    texts,
    brand: landing,
    title,
    step: 2,
    side: renderSide({ texts, brand: landing.brand, bond: 'open', notes: [texts.landing.nothingYet] }),
    main: html`<h1>${title}</h1>
<p>${texts.signedIn.question(brand, subject)}</p>
<dl>
${session.principal !== null && html`<dt>${texts.landing.id[subject]}</dt><dd class="uuid">${session.principal}</dd>`}
<dt>${texts.signedIn.account(brand)}</dt><dd class="company" data-customer-ref><bdi>${customerRef}</bdi></dd>
</dl>
<form method="post" action="${landingPath}">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="ticket" value="${ticket}">
<button class="button" type="submit">${button}</button>
</form>
<p>${texts.signedIn.notYours[subject]} <a href="${landingPath}">${texts.signedIn.again}</a>.</p>`,
  });
}
