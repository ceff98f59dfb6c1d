/** What the administrator sees after the landing page: pending, then connected or failed. */
import type { Connection } from '../core/connection.ts';
import type { BrowserSession, Landing } from '../core/stores.ts';
import { isolateName } from './bidi.ts';
import { type Html, html } from './html.ts';
import { icons } from './icons.ts';
import { renderPage } from './layout.ts';
import { safeHref } from './link.ts';
import { renderSide } from './side.ts';
import { type FailureTopic, failureTopics, type Subject, type Texts } from './texts/catalogue.ts';

export interface ProgressPage {
  readonly texts: Texts;
  readonly landing: Landing;
  readonly subject: Subject;
  readonly session: Pick<BrowserSession, 'id' | 'principal' | 'status' | 'failure'>;
  /** What SAP Concur said about the company, once connected. */
  readonly company: Connection['company'];
  /** It takes longer than it should, and may take very long. */
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

function renderPending({ texts, landing, subject, isSlow = false }: ProgressPage): string {
  const brand = isolateName(landing.brand);
  return renderPage({
    texts,
    brand: landing,
    title: texts.pending.title,
    step: 2,
    outcome: 'pending',
    isWaiting: true,
    side: renderSide({ texts, brand: landing.brand, bond: 'pending', notes: [texts.pending.stay] }),
    main: html`<div class="status wait" role="status">${icons.wait}<div>
<h1>${texts.pending.title}</h1>
<p>${isSlow ? texts.pending.slow : texts.pending.body(brand, subject)}</p>
</div></div>
<p><a href="progress">${texts.pending.lookAgain}</a></p>`,
  });
}

function renderConnected({ texts, landing, subject, session, company }: ProgressPage): string {
  const title = texts.connected.title(isolateName(landing.brand));
  return renderPage({
    texts,
    brand: landing,
    title,
    step: 3,
    outcome: 'connected',
    side: renderSide({ texts, brand: landing.brand, bond: 'connected' }),
    main: html`<div role="status"><h1>${title}</h1></div>
<dl>
<dt>${texts.connected.found[subject]}</dt>
<dd${company !== null && html` class="company"`} data-company><bdi>${company?.name ?? texts.connected.unnamed}</bdi></dd>
${company?.domain != null && html`<dd>${company.domain}</dd>`}
${session.principal !== null && html`<dt>${texts.landing.id[subject]}</dt><dd class="uuid">${session.principal}</dd>`}
</dl>
${renderNextSteps(texts, landing.nextSteps)}
<p><strong>${texts.connected.close}</strong></p>
${renderDisconnect(texts, landing, subject)}`,
  });
}

function renderNextSteps(texts: Texts, steps: readonly string[]): Html | null {
  if (steps.length === 0) return null;
  return html`<h2>${texts.connected.nextSteps}</h2>
<ol class="next">${steps.map((step) => html`<li><bdi>${step}</bdi></li>`)}</ol>`;
}

/** Two ways, as SAP Concur asks for one in the partner's own portal; the other works for everybody. */
function renderDisconnect(texts: Texts, landing: Landing, subject: Subject): Html {
  const manage = safeHref(landing.manageUrl);
  const link =
    manage !== null && html`<a href="${manage}">${texts.connected.disconnect(isolateName(landing.brand))}</a>.`;
  return html`<p class="note">${texts.connected.notYours[subject]} ${link} ${texts.connected.disconnectInConcur}</p>`;
}

function renderFailed({ texts, landing, session }: ProgressPage, topic: FailureTopic): string {
  const failure = texts.failures[topic];
  return renderPage({
    texts,
    brand: landing,
    title: texts.errorTitlePrefix + texts.failed.heading,
    step: 2,
    outcome: 'failed',
    side: renderSide({ texts, brand: landing.brand, bond: 'broken' }),
    main: html`<div role="alert">
<h1>${texts.failed.heading}</h1>
<p><strong>${failure.title}.</strong> ${failure.body}</p>
</div>
${topic !== 'lost-race' && html`<p>${texts.failed.tryAgain}</p>`}
<p class="note">${texts.failed.reference}: <span class="uuid">${session.id}</span></p>`,
  });
}

/** The catalogue's words for an error code; the general ones for a code that says nothing to an administrator. */
function topicOf(failure: string | null): FailureTopic {
  return failureTopics.find((topic) => topic === failure) ?? 'other';
}
