/**
 * The page between Concur's Connect button and the connection: it says what is about to happen and waits for
 * the administrator. Nothing has been exchanged before its form is sent.
 */
import type { BrowserSession, Landing } from '../core/stores.ts';
import { isolateName } from './bidi.ts';
import { type Html, html } from './html.ts';
import { renderPage } from './layout.ts';
import { hrefWithParameter, safeHref } from './link.ts';
import { renderSide } from './side.ts';
import type { Subject, Texts } from './texts/catalogue.ts';

export interface LandingPage {
  readonly texts: Texts;
  readonly landing: Landing;
  /** Whether it is a company that is connected, or its user alone. */
  readonly subject: Subject;
  readonly session: Pick<BrowserSession, 'principal' | 'csrf' | 'ref'>;
  /** Where the form is sent: the page's own address, without the fragment that a summary's link leaves there. */
  readonly path: string;
  /** What was wrong with the code that was sent, if one was. */
  readonly codeError?: 'empty' | 'rejected';
}

export function renderLandingPage(page: LandingPage): string {
  const { texts, landing, subject } = page;
  const brand = isolateName(landing.brand);
  const heading = texts.landing.title(brand);
  const error = page.codeError === undefined ? null : texts.code[page.codeError];
  return renderPage({
    texts,
    brand: landing,
    title: (error === null ? '' : texts.errorTitlePrefix) + heading,
    step: 2,
    side: renderSide({
      texts,
      brand: landing.brand,
      bond: 'open',
      notes: [texts.landing.lead(brand, subject), texts.landing.nothingYet],
    }),
    main: html`${error !== null && renderErrorSummary(texts, error)}
<h1>${heading}</h1>
${error === null && renderPrincipal(page)}
${renderMode(page, brand, error)}`,
  });
}

/** Left out where there is an error: it has been read, and Concur's small window shall hold field and button. */
function renderPrincipal({ texts, subject, session }: LandingPage): Html | null {
  if (session.principal === null) return null;
  return html`<dl><dt>${texts.landing.id[subject]}</dt><dd class="uuid">${session.principal}</dd></dl>`;
}

/** Has the focus when the page has loaded, without a script too. */
function renderErrorSummary(texts: Texts, error: string): Html {
  return html`<div class="problem" role="alert" tabindex="-1" id="problem" autofocus>
<h2>${texts.code.summary}</h2>
<p><a href="#code">${error}</a></p>
</div>`;
}

function renderMode(page: LandingPage, brand: string, error: string | null): Html {
  switch (page.landing.mode) {
    case 'confirm':
      return renderConfirm(page, brand);
    case 'verification-code':
      return renderCodeForm(page, brand, error);
    case 'sign-in':
      return renderSignIn(page, brand);
  }
}

function renderConfirm({ texts, subject, session, path }: LandingPage, brand: string): Html {
  return html`<form method="post" action="${path}">
<p>${texts.confirm.explain(brand, subject)}</p>
<input type="hidden" name="csrf" value="${session.csrf}">
<button class="button" type="submit">${texts.confirm.button(brand)}</button>
</form>`;
}

function renderCodeForm(
  { texts, landing, subject, session, path }: LandingPage,
  brand: string,
  error: string | null,
): Html {
  const contact = safeHref(landing.contactUrl) ?? safeHref(landing.supportUrl);
  const described = error === null ? 'code-hint' : 'code-hint code-error';
  return html`<form method="post" action="${path}" novalidate>
${error === null && html`<p>${texts.code.explain(brand, subject)}</p>`}
<input type="hidden" name="csrf" value="${session.csrf}">
<label for="code">${texts.code.label}</label>
<p class="hint" id="code-hint">${texts.code.hint}</p>
${error !== null && html`<p class="field-error" id="code-error">${error}</p>`}
<input type="text" id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" aria-describedby="${described}"${error !== null && html` aria-invalid="true"`}>
<button class="button" type="submit">${texts.code.button}</button>
${contact !== null && html`<p>${texts.code.noCode} <a href="${contact}">${texts.code.contact}</a></p>`}
</form>`;
}

function renderSignIn({ texts, landing, subject, session }: LandingPage, brand: string): Html {
  const signIn = hrefWithParameter(landing.signInUrl, 'session', session.ref);
  const signUp = hrefWithParameter(landing.signUpUrl, 'session', session.ref);
  return html`<p>${texts.signIn.explain(brand, subject)}</p>
${signIn !== null && html`<p><a class="button" href="${signIn}">${texts.signIn.button(brand)}</a></p>`}
${signUp !== null && html`<p>${texts.signIn.noAccount} <a href="${signUp}">${texts.signIn.signUp}</a></p>`}`;
}
