import { html } from './html.ts';
import type { Html } from './html.ts';
import type { Flash } from './flashes.ts';

const sections = [
  { path: '/', name: 'Companies' },
  { path: '/apps', name: 'Apps' },
  { path: '/faults', name: 'Faults' },
  { path: '/calls', name: 'Calls' },
  { path: '/__sandbox', name: 'API' },
] as const;

export interface Page {
  readonly title: string;
  readonly section: (typeof sections)[number]['path'];
  readonly flash?: Flash | undefined;
  readonly content: Html;
}

/** A whole document. The page's own heading is part of its content. */
export function renderPage(page: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.flash?.bad ? 'Error: ' : ''}${page.title} · Concur sandbox</title>
<link rel="stylesheet" href="/assets/sandbox.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<script src="/assets/sandbox.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><div>
<a class="brand" href="/">${logo()}Concur sandbox</a>
<nav aria-label="Sections">${sections.map(
    ({ path, name }) => html`<a href="${path}"${path === page.section && html` aria-current="page"`}>${name}</a>`,
  )}</nav>
</div></header>
<main id="main">
${page.flash && renderFlash(page.flash)}
${page.content}
</main>
<footer>A simulator for development and tests. It is not made by SAP, holds made-up companies only, and talks to nobody.</footer>
</body>
</html>`.text;
}

function renderFlash(flash: Flash): Html {
  return html`<div class="notice${flash.bad ? ' bad' : ''}" role="${flash.bad ? 'alert' : 'status'}">
<p>${flash.text}</p>
${
  flash.values &&
  html`<dl>${flash.values.map(([name, value]) => html`<dt>${name}</dt><dd class="mono">${value}</dd>`)}</dl>`
}
</div>`;
}

function logo(): Html {
  return html`<svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9" fill="#0b5cad"/><path d="M8 20.5c2.7 2.7 5.3 2.7 8 0s5.3-2.7 8 0M8 13.5c2.7 2.7 5.3 2.7 8 0s5.3-2.7 8 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>`;
}

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#0b5cad"/><path d="M8 20.5c2.7 2.7 5.3 2.7 8 0s5.3-2.7 8 0M8 13.5c2.7 2.7 5.3 2.7 8 0s5.3-2.7 8 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>`;
