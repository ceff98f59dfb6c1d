import { type Html, html } from './html.ts';
import { icons } from './icons.ts';
import { type Brand, renderPage } from './layout.ts';
import type { FailureTopic, Texts } from './texts/catalogue.ts';

export interface ErrorPage {
  readonly texts: Texts;
  readonly brand: Brand;
  readonly topic: FailureTopic;
  readonly requestId: string;
  /** Names of query parameters that are wrong. */
  readonly wrongParameters?: readonly string[];
  /** Where the administrator's visit goes on, if it does. */
  readonly goOnHref?: string;
}

/** The page for a request that could not be answered: what happened, what to do, what to tell the support. */
export function renderErrorPage(page: ErrorPage): string {
  const { texts } = page;
  const failure = texts.failures[page.topic];
  return renderPage({
    texts,
    brand: page.brand,
    title: texts.errorTitlePrefix + failure.title,
    main: html`<div class="status bad" role="alert">${icons.bad}<div>
<h1>${failure.title}</h1>
<p>${failure.body}</p>
</div></div>
${renderParameters(texts, page.wrongParameters ?? [])}
${page.goOnHref !== undefined && html`<p><a class="button" href="${page.goOnHref}">${goOnLabel(page)}</a></p>`}
<p class="note">${texts.failed.reference}: <span class="uuid">${page.requestId}</span></p>`,
  });
}

/** Where nobody has signed in, the visit goes on with that; else what it leads to is its outcome. */
function goOnLabel({ texts, topic }: ErrorPage): string {
  return ['not-signed-in', 'sign-in-rejected', 'sign-in-expired'].includes(topic)
    ? texts.signedIn.backToSignIn
    : texts.failed.goOn;
}

function renderParameters(texts: Texts, names: readonly string[]): Html | null {
  if (names.length === 0) return null;
  return html`<p>${texts.wrongParameters}</p><ul>${names.map((name) => html`<li><code>${name}</code></li>`)}</ul>`;
}
