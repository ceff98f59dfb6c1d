import type { CallRecord } from '../call-log.ts';
import type { SandboxControl } from '../control.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { renderPage } from './layout.ts';
import { dataTable, moment, pill } from './widgets.ts';

const SHOWN = 200;

export function buildCallsPage(control: SandboxControl): string {
  const calls = control.calls().slice(-SHOWN).reverse();
  const names = new Map(control.companies().map((company) => [company.id, company.name]));
  return renderPage({
    title: 'Calls',
    section: '/calls',
    content: html`<h1>Calls</h1>
<p class="lead">What has reached Concur, newest first: the last ${SHOWN} of them. The same as JSON: <a href="/__sandbox/calls">/__sandbox/calls</a>.</p>
<h2>Recent calls</h2>
${
  calls.length === 0
    ? html`<p class="empty">Nobody has called yet.</p>`
    : dataTable({
        label: 'Recent calls',
        heads: ['When', 'Where', 'Endpoint', 'Company', 'Answer', '#Took', 'Correlation id'],
        rows: calls.map((call) => callRow(call, names, control.now())),
      })
}`,
  });
}

function callRow(call: CallRecord, names: ReadonlyMap<string, string>, now: number): Html {
  const took = call.endedAtMs === null ? '…' : `${call.endedAtMs - call.startedAtMs} ms`;
  return html`<tr><td>${moment(call.startedAtMs, now)}</td><td>${call.dataCentre.toUpperCase()}</td>
<td>${call.endpoint}${call.grantType !== null && html` <span class="small soft">${call.grantType}</span>`}</td>
<td>${names.get(call.companyId ?? '') ?? ''}</td>
<td>${answerPill(call)}${call.faults.length > 0 && html` <span class="small soft">${call.faults.join(', ')}</span>`}</td>
<td class="num">${took}</td><td class="mono small">${call.correlationId}</td></tr>`;
}

function answerPill(call: CallRecord): Html {
  if (call.outcome === 'open') return pill('warn', 'under way');
  if (call.outcome !== 'answered') return pill('bad', call.outcome);
  const code = call.code === null ? '' : `, code ${call.code}`;
  return pill((call.status ?? 500) < 400 ? 'good' : 'bad', `${call.status}${code}`);
}
