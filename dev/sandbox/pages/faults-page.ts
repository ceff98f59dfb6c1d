import type { SandboxControl } from '../control.ts';
import { faultKinds } from '../fault-schema.ts';
import type { FaultInput } from '../fault-schema.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { endpointNames } from '../protocol/wire.ts';
import type { Flash } from './flashes.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { renderPage } from './layout.ts';
import { actionButton, dataTable, pill, selectField } from './widgets.ts';

/** Faults that people want at hand; each stays on until it is switched off. */
export const faultPresets: Readonly<Record<string, { readonly label: string; readonly fault: FaultInput }>> = {
  outage: { label: 'Outage: 503 with an HTML page', fault: { kind: 'html-503' } },
  silence: { label: 'Silence: no answer at all', fault: { kind: 'never-answer' } },
  slow: { label: 'Slow: ten seconds late', fault: { kind: 'delay', ms: 10_000 } },
  reset: { label: 'Connection reset before anything is done', fault: { kind: 'drop' } },
  lost: { label: 'Answer lost: done, then reset', fault: { kind: 'process-then-drop' } },
  rate: { label: 'Too many requests: 429, Retry-After 30', fault: { kind: 'rate-limit', retryAfterSeconds: 30 } },
  proxy: { label: 'Not JSON: 200 from a proxy', fault: { kind: 'not-json' } },
  maintenance: { label: 'Scheduled maintenance: code 134', fault: { kind: 'code', code: 134 } },
  badrefresh: { label: 'Bad refresh token: code 108', fault: { kind: 'code', code: 108 } },
  wrongsecret: { label: 'Wrong client secret: code 64', fault: { kind: 'code', code: 64 } },
  norefresh: { label: 'Answers without a refresh token', fault: { kind: 'without-refresh-token' } },
  stranger: { label: 'Tokens of somebody else', fault: { kind: 'wrong-subject' } },
  hostile: { label: 'Hostile geolocation', fault: { kind: 'geolocation', value: 'https://concur.evil.example' } },
};

export function buildFaultsPage(control: SandboxControl, model: ConcurModel, flash: Flash | undefined): string {
  return renderPage({
    title: 'Faults',
    section: '/faults',
    flash,
    content: html`<h1>Faults</h1>
<p class="lead">Make Concur misbehave on purpose. Calls that match a fault meet it until you switch it off; more kinds, with
counts and finer matches, over <code>POST /__sandbox/faults</code>.</p>
<h2>Switched on</h2>
${renderActive(control)}
<h2>Switch one on</h2>
<div class="card"><form class="fields" method="post" action="/faults">
${selectField({ id: 'preset', name: 'preset', label: 'What goes wrong', options: Object.entries(faultPresets).map(([name, { label }]) => [name, label]) })}
${selectField({ id: 'endpoint', name: 'endpoint', label: 'Endpoint', options: [['', 'every endpoint'], ...endpointNames.map((name) => [name, name] as const)], value: 'token' })}
${selectField({ id: 'dataCentre', name: 'dataCentre', label: 'Data centre', options: [['', 'every one'], ...model.dataCentres.map((name) => [name, name.toUpperCase()] as const)] })}
${selectField({ id: 'principalId', name: 'principalId', label: 'Company', options: [['', 'every company'], ...control.companies().map((company) => [company.id, company.name] as const)] })}
${selectField({
  id: 'times',
  name: 'times',
  label: 'How often',
  options: [
    ['always', 'until switched off'],
    ['1', 'once'],
    ['3', 'three times'],
  ],
})}
<button class="primary">Switch on</button></form></div>
<h2>All kinds</h2>
${dataTable({
  label: 'Kinds of faults',
  heads: ['Kind', 'Sort', 'What it does'],
  rows: faultKinds.map(
    ({ kind, sort, does }) => html`<tr><td><code>${kind}</code></td><td>${sort}</td><td>${does}</td></tr>`,
  ),
})}`,
  });
}

function renderActive(control: SandboxControl): Html {
  const faults = control.faults();
  if (faults.length === 0) return html`<p class="empty">None: Concur behaves.</p>`;
  const rows = faults.map(({ id, spec, hits, left }) => {
    const { kind, match, times: _times, skip: _skip, ...rest } = spec;
    const where = Object.entries(match).filter(([, value]) => value !== undefined);
    return html`<tr><td>${pill('warn', kind)} <span class="mono small">${Object.keys(rest).length > 0 && JSON.stringify(rest)}</span></td>
<td class="mono small">${where.length === 0 ? 'every call' : where.map(([name, value]) => `${name}=${value}`).join(' ')}</td>
<td class="num">${hits}</td><td class="num">${left}</td>
<td>${actionButton({ action: `/faults/${id}/off`, label: 'Switch off', about: kind })}</td></tr>`;
  });
  return html`${dataTable({ label: 'Active faults', heads: ['Fault', 'Where', '#Hits', '#Left', 'Action'], rows })}
<div class="row after">${actionButton({ action: '/faults/off', label: 'Switch all off', tone: 'danger' })}</div>`;
}
