/** `/docs`: the operations at a glance, made from what the OpenAPI document is made from. No scripts. */
import { html } from '../web/html.ts';
import { stylesPath } from '../web/assets.ts';
import type { Route } from './route.ts';

export function renderDocs(routes: readonly Route[]): string {
  const operations = routes.flatMap(({ method, path, operation }) =>
    operation === undefined ? [] : [{ method, path, operation }],
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evergrant API</title>
<link rel="stylesheet" href="${stylesPath}">
</head>
<body>
<main class="card">
<h1>Evergrant API</h1>
<p>The whole description, for programs and generators: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
${operations.map(
  ({ method, path, operation }) => html`<h2>${operation.summary}</h2>
<p><code>${method.toUpperCase()} ${path.replaceAll(/:([a-z]+)/g, '{$1}')}</code></p>
<p>Scope <code>${operation.scope ?? 'none'}</code>. ${operation.description}
Answers ${operation.answers.map(({ status }) => status).join(', ')}.</p>`,
)}
</main>
</body>
</html>
`.toString();
}
