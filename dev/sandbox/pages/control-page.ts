import { controlOperations } from '../control-operations.ts';
import { readingRoutes } from '../http/reading-routes.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { GLZ } from '../model/types.ts';
import { html } from './html.ts';
import { renderPage } from './layout.ts';
import { dataTable } from './widgets.ts';

/** The control surface for the eyes of people; its JSON twin has the schemas too. */
export function buildControlPage(model: ConcurModel): string {
  const example = `curl -X POST ${new URL('/__sandbox/faults', model.baseUri(GLZ)).href} \\
  -H 'content-type: application/json' \\
  -d '{"kind":"html-503","match":{"endpoint":"token","dataCentre":"us2"},"times":3}'`;
  return renderPage({
    title: 'Control surface',
    section: '/__sandbox',
    content: html`<h1>Control surface</h1>
<p class="lead">Everything that these pages and the tests can do, over HTTP. Bodies are JSON. For the same description with
a JSON Schema for every body, ask with <code>Accept: application/json</code>.</p>
<h2>Commands</h2>
${dataTable({
  label: 'Commands',
  heads: ['Route', 'What it does', 'Body'],
  rows: controlOperations.map(
    ({ name, summary, schema }) => html`<tr><td><code>POST /__sandbox/${name}</code></td><td>${summary}</td>
<td><details><summary>schema<span class="skip"> of ${name}</span></summary><pre class="mono small">${JSON.stringify(schema(), null, 1)}</pre></details></td></tr>`,
  ),
})}
<h2>Looking and tidying</h2>
${dataTable({
  label: 'Other routes',
  heads: ['Route', 'What it does'],
  rows: readingRoutes.map(
    ({ method, path, does }) => html`<tr><td><code>${method} ${path}</code></td><td>${does}</td></tr>`,
  ),
})}
<h2>Example</h2>
<div class="card"><pre class="mono small">${example}</pre></div>`,
  });
}
