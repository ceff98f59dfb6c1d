/** What the administrator sees after the landing page: pending, then connected or failed. */
import type { Connection } from '../core/connection.ts';
import type { BrowserSession, Landing } from '../core/stores.ts';
import { type Html, html } from './html.ts';
import { icons } from './icons.ts';
import { renderPage } from './layout.ts';
import { safeHref } from './link.ts';
import { type FailureTopic, failureTopics, type Texts } from './texts/catalogue.ts';

const RELOAD_SECONDS = 2;
const SLOW_RELOAD_SECONDS = 15;

export interface ProgressPage {
  readonly texts: Texts;
  readonly landing: Landing;
  readonly session: Pick<BrowserSession, 'id' | 'principal' | 'status' | 'failure'>;
  /** What SAP Concur said about the company, once connected. */
  readonly company: Connection['company'];
  /** A first try has failed and others follow: it may take long. */
  readonly isSlow?: boolean;
}

export function renderProgressPage(page: ProgressPage): string {
  switch (page.session.status) {
    case 'open':
    case 'completed':
      return renderPending(page);
    case 'connected':
      return renderConnected(page);
    case 'failed':
      return renderFailed(page, topicOf(page.session.failure));
    case 'lost':
      return renderFailed(page, 'lost-race');
  }
}

function renderPending({ texts, landing, isSlow = false }: ProgressPage): string {
  return renderPage({
    texts,
    brand: landing,
    title: texts.pending.title,
    step: 2,
    outcome: 'pending',
    reloadSeconds: isSlow ? SLOW_RELOAD_SECONDS : RELOAD_SECONDS,
    main: html`<div class="status wait" role="status">${icons.wait}<div>
<h1>${texts.pending.title}</h1>
<p>${isSlow ? texts.pending.slow : texts.pending.body(landing.brand)}</p>
</div></div>
<p class="note">${texts.pending.stay}</p>`,
  });
}

function renderConnected({ texts, landing, session, company }: ProgressPage): string {
  const title = texts.connected.title(landing.brand);
  return renderPage({
    texts,
    brand: landing,
    title,
    step: 3,
    outcome: 'connected',
    main: html`<div class="status good" role="status">${icons.good}<h1>${title}</h1></div>
<dl>
<dt>${texts.connected.company}</dt>
<dd class="company" data-company>${company?.name ?? texts.connected.companyUnnamed}</dd>
<dd>${company?.domain}</dd>
<dt>${texts.landing.companyId}</dt><dd class="uuid">${session.principal}</dd>
</dl>
${renderNextSteps(texts, landing.nextSteps)}
<p><strong>${texts.connected.close}</strong></p>
${renderDisconnect(texts, landing)}`,
  });
}

function renderNextSteps(texts: Texts, steps: readonly string[]): Html | null {
  if (steps.length === 0) return null;
  return html`<h2>${texts.connected.nextSteps}</h2>
<ol class="next">${steps.map((step) => html`<li>${step}</li>`)}</ol>`;
}

function renderDisconnect(texts: Texts, landing: Landing): Html {
  const manage = safeHref(landing.manageUrl);
  const way =
    manage === null ? texts.connected.disconnectInConcur : html`<a href="${manage}">${texts.connected.disconnect}</a>`;
  return html`<p class="note">${texts.connected.notYours} ${way}</p>`;
}

function renderFailed({ texts, landing, session }: ProgressPage, topic: FailureTopic): string {
  const failure = texts.failures[topic];
  return renderPage({
    texts,
    brand: landing,
    title: texts.errorTitlePrefix + texts.failed.heading,
    step: 2,
    outcome: 'failed',
    main: html`<div class="status bad" role="alert">${icons.bad}<div>
<h1>${texts.failed.heading}</h1>
<p><strong>${failure.title}.</strong> ${failure.body}</p>
</div></div>
${topic !== 'lost-race' && html`<p>${texts.failed.tryAgain}</p>`}
<p class="note">${texts.failed.reference}: <span class="uuid">${session.id}</span></p>`,
  });
}

/** The catalogue's words for an error code; the general ones for a code that says nothing to an administrator. */
function topicOf(failure: string | null): FailureTopic {
  return failureTopics.find((topic) => topic === failure) ?? 'other';
}
