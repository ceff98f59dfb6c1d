import type { BrowserSession, Landing } from '../core/stores.ts';
import { html } from './html.ts';
import { renderPage } from './layout.ts';
import type { Texts } from './texts/catalogue.ts';

export interface SignedInPage {
  readonly texts: Texts;
  readonly landing: Landing;
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
  session,
  customerRef,
  ticket,
  landingPath,
}: SignedInPage): string {
  const title = texts.landing.title(landing.brand);
  const button = texts.signedIn.button;
  return renderPage({
    texts,
    brand: landing,
    title,
    step: 2,
    main: html`<h1>${title}</h1>
<p>${texts.signedIn.question(landing.brand)}</p>
<dl>
${session.principal !== null && html`<dt>${texts.landing.companyId}</dt><dd class="uuid">${session.principal}</dd>`}
<dt>${texts.signedIn.account(landing.brand)}</dt><dd class="company" data-customer-ref>${customerRef}</dd>
</dl>
<form method="post" action="${landingPath}">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="ticket" value="${ticket}">
<button class="button" type="submit">${button}</button>
</form>
<p>${texts.signedIn.notYours} <a href="${landingPath}">${texts.signedIn.again}</a></p>
<p class="note">${texts.landing.nothingYet}</p>`,
  });
}
