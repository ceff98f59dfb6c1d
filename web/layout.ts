/** The frame of every page: brand, progress indicator, content, and the links that SAP Concur's review asks for. */
import type { Landing } from '../core/stores.ts';
import { isolateName } from './bidi.ts';
import { brandStylesPath, iconPath, progressScriptPath, stylesPath } from './assets.ts';
import { defaultBrandColor } from './color.ts';
import { type Html, html } from './html.ts';
import { safeHref } from './link.ts';
import { initialOf } from './side.ts';
import type { Texts } from './texts/catalogue.ts';

/** Whose page it is; null for pages that belong to no known app. */
export type Brand = Landing | null;

export interface PageContent {
  readonly texts: Texts;
  readonly brand: Brand;
  readonly title: string;
  readonly main: Html;
  /** Stands beside `main`, in one card with it. */
  readonly side?: Html;
  /** Which of the three steps is the present one; none on pages outside the flow. */
  readonly step?: 1 | 2 | 3;
  /** What became of the connect: read by programs. */
  readonly outcome?: 'pending' | 'connected' | 'failed';
  /** The page waits for news: with a script where there are scripts, else it loads itself again. */
  readonly isWaiting?: boolean;
}

/** A whole HTML document. */
export function renderPage(page: PageContent): string {
  const { texts, brand } = page;
  const owner = brand === null ? '' : ` · ${isolateName(brand.brand)}`;
  return html`<!doctype html>
<html lang="${texts.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${page.isWaiting === true && waiting}
<title>${page.title}${owner}</title>
<link rel="icon" href="${iconPath}" type="image/svg+xml">
<link rel="stylesheet" href="${stylesPath}">
<link rel="stylesheet" href="${brandStylesPath(brand?.color ?? defaultBrandColor)}">
</head>
<body${page.outcome !== undefined && html` data-outcome="${page.outcome}"`}>
${brand !== null && renderHeader(texts, brand, page.step)}
${page.side === undefined ? html`<main class="card">${page.main}</main>` : renderSplit(page.side, page.main)}
${brand !== null && renderFooter(texts, brand, { hasNote: page.side === undefined })}
</body>
</html>
`.toString();
}

/** A page that loads itself again by the clock disturbs whoever reads or hears it (WCAG 2.2, success criterion 2.2.1). */
const waiting = html`<noscript><meta http-equiv="refresh" content="2"></noscript>
<script type="module" src="${progressScriptPath}"></script>`;

function renderSplit(side: Html, main: Html): Html {
  return html`<main class="card split">
<div class="side">
${side}
</div>
<div class="body">
${main}
</div>
</main>`;
}

function renderHeader(texts: Texts, brand: Landing, step: PageContent['step']): Html {
  return html`<header>
${renderBrand(brand)}
${step !== undefined && renderSteps(texts, step)}
</header>`;
}

function renderBrand(brand: Landing): Html {
  const logo = safeHref(brand.logoUrl);
  return html`<p class="brand">${
    logo === null
      ? html`<span class="brand-mark" aria-hidden="true">${initialOf(brand.brand)}</span>`
      : html`<img src="${logo}" alt="${brand.logoAlt}" referrerpolicy="no-referrer">`
  }<bdi>${brand.brand}</bdi></p>`;
}

function renderSteps(texts: Texts, step: 1 | 2 | 3): Html {
  const labels = [texts.steps.concur, texts.steps.here, texts.steps.done];
  return html`<nav aria-label="${texts.steps.label}"><ol class="steps">${labels.map((label, index) => {
    const number = index + 1;
    const isOver = number < step;
    const mark = number === step ? html` aria-current="step"` : isOver && html` class="over"`;
    const state = isOver && html` <i class="spoken">(${texts.steps.over})</i>`;
    return html`<li${mark}><b>${number}</b><span>${label}${state}</span></li>`;
  })}</ol></nav>`;
}

function renderFooter(texts: Texts, brand: Landing, { hasNote }: { readonly hasNote: boolean }): Html {
  const links: readonly (readonly [string, string | null])[] = [
    [texts.links.support, brand.supportUrl],
    [texts.links.contact, brand.contactUrl],
    [texts.links.privacy, brand.privacyUrl],
    [texts.links.terms, brand.termsUrl],
  ];
  return html`<footer>
${hasNote && html`<p>${texts.integrationNote(isolateName(brand.brand))}</p>`}
<nav aria-label="${texts.links.label}"><ul>${links.map(([label, address]) => {
    const href = safeHref(address);
    return href !== null && html`<li><a href="${href}">${label}</a></li>`;
  })}</ul></nav>
</footer>`;
}
