/** `/docs`: the OpenAPI document for people to read, each operation with a command to paste. No scripts. */
import { docsStylesPath, iconPath, stylesPath } from '../web/assets.ts';
import { type Html, html } from '../web/html.ts';

/** Operations that belong together. */
export interface DocsSection {
  readonly title: string;
  readonly text: string;
  /** Where its examples call, as a shell may write it. */
  readonly baseUrl: string;
  readonly paths: ReadonlySet<string>;
}

/** What is read of the document that `buildOpenApi` makes. */
interface DescribedOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly parameters: readonly DescribedParameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example: unknown }>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

interface DescribedParameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: { readonly description?: string; readonly enum?: readonly string[] };
}

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: DescribedOperation;
}

/** Stand for the parts of a path in examples. */
const places: Readonly<Record<string, string>> = {
  app: 'demo',
  principal: '8568a4cd-8ffc-49d6-9417-be2d69aa0001',
  id: '2f1d6a3e-5b0c-4d7e-9a41-6c8e0f2b7d15',
  ref: '5Jx0cQ7tZbS2mVnK',
};

export function renderDocs(document: Readonly<Record<string, unknown>>, sections: readonly DocsSection[]): string {
  const paths = document.paths as Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  const entries = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Entry => ({ method: method.toUpperCase(), path, operation })),
  );
  const filled = sections.map((section) => ({ section, own: entries.filter(({ path }) => section.paths.has(path)) }));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Evergrant API</title>
<link rel="icon" href="${iconPath}">
<link rel="stylesheet" href="${stylesPath}">
<link rel="stylesheet" href="${docsStylesPath}">
</head>
<body class="docs">
<header><p class="brand">Evergrant API</p><p><a href="/openapi.json">openapi.json</a> (OpenAPI 3.1)</p></header>
<main>
<nav class="card" aria-label="Operations">
<h1>Evergrant API</h1>
${filled.map(({ section, own }) => html`<h2>${section.title}</h2><ul>${own.map(renderLink)}</ul>`)}
</nav>
${filled.map(
  ({ section, own }) => html`<section>
<h2>${section.title}</h2>
<p>${section.text}</p>
${own.map((entry) => renderEntry(entry, section.baseUrl))}
</section>`,
)}
</main>
</body>
</html>
`.toString();
}

function renderLink({ operation, method, path }: Entry): Html {
  return html`<li><a href="#${operation.operationId}">${operation.summary}</a> <code>${method} ${path}</code></li>`;
}

function renderEntry({ method, path, operation }: Entry, baseUrl: string): Html {
  const { operationId, summary, description, parameters, responses } = operation;
  return html`<article class="card" id="${operationId}">
<h3>${summary}</h3>
<p><b>${method}</b> <code>${path}</code></p>
${description === undefined ? null : html`<p>${description.replaceAll('`', '')}</p>`}
${parameters.length === 0 ? null : html`<dl>${parameters.map(renderParameter)}</dl>`}
<pre tabindex="0" role="group" aria-label="Example: ${summary}"><code>${buildCurl({ method, path, operation }, baseUrl)}</code></pre>
<ul class="answers">${Object.entries(responses).map(
    ([status, answer]) => html`<li><b>${status === 'default' ? 'else' : status}</b> ${answer.description}</li>`,
  )}</ul>
</article>`;
}

function renderParameter({ name, in: place, required, schema }: DescribedParameter): Html {
  const text = (schema.description ?? schema.enum?.join(', ') ?? '').replaceAll('`', '');
  return html`<dt><code>${name}</code> in ${place}${required ? '' : ', optional'}</dt><dd>${text}</dd>`;
}

function buildCurl({ method, path, operation }: Entry, baseUrl: string): string {
  const address = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => places[name] ?? name);
  const body = operation.requestBody?.content['application/json']?.example;
  const isOpen = operation.security?.length === 0;
  return [
    `curl -s${method === 'GET' ? '' : ` -X ${method}`} "${baseUrl}${address}"`,
    ...(isOpen ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...(body === undefined ? [] : ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(body)}'`]),
  ].join(' \\\n  ');
}
