import type { SandboxControl } from '../control.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { GLZ } from '../model/types.ts';
import type { Company } from '../model/types.ts';
import type { Flash } from './flashes.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { renderPage } from './layout.ts';
import { pill, selectField, textField } from './widgets.ts';

export function buildCompaniesPage(control: SandboxControl, model: ConcurModel, flash: Flash | undefined): string {
  const companies = control.companies();
  return renderPage({
    title: 'Companies',
    section: '/',
    flash,
    content: html`<h1>Companies</h1>
<p class="lead">Customers of SAP Concur, as this sandbox plays them. Open one to press <strong>Connect</strong> as its
administrator, to take the connection away again, or to look at what Concur has on file.</p>
<h2>Choose a company</h2>
${
  companies.length === 0
    ? html`<p class="empty">No company yet. Add one below, or with <code>POST /__sandbox/companies</code>.</p>`
    : html`<div class="grid">${companies.map((company) => companyCard(control, company))}</div>`
}
<h2>Add a company</h2>
<div class="card"><form class="fields" method="post" action="/companies">
${textField({ id: 'name', name: 'name', label: 'Name', required: true })}
${selectField({ id: 'dataCentre', name: 'dataCentre', label: 'Data centre', options: homes(model) })}
<button>Add company</button>
</form><p class="small soft">It comes with an administrator and a colleague without the permission to connect.</p></div>
<h2>Base URIs</h2>
${baseUris(model)}`,
  });
}

/** Data centres where companies can live. */
export function homes(model: ConcurModel): readonly (readonly [string, string])[] {
  return model.dataCentres.filter((name) => name !== GLZ).map((name) => [name, name.toUpperCase()]);
}

function companyCard(control: SandboxControl, company: Company): Html {
  const connected = control
    .apps()
    .filter((app) =>
      [company.id, ...control.users(company.id).map((user) => user.id)].some((principalId) =>
        control.isConnected({ clientId: app.clientId, principalId }),
      ),
    );
  return html`<a class="card" href="/companies/${company.id}">
<div class="spread"><h3>${company.name}</h3>${pill('plain', company.dataCentre.toUpperCase())}</div>
<p class="small soft">${company.domain}<br><code>${company.id}</code></p>
<div class="row push">${
    connected.length === 0
      ? pill('quiet', 'Not connected')
      : connected.map((app) => pill('good', `Connected to ${app.name}`))
  }${company.disabledCode !== null && pill('bad', 'Disabled')}${company.maintenance && pill('warn', 'Maintenance')}</div>
</a>`;
}

function baseUris(model: ConcurModel): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Base URIs"><table>
<thead><tr><th scope="col">Data centre</th><th scope="col">Base URI</th></tr></thead>
<tbody>${model.dataCentres.map(
    (name) => html`<tr><th scope="row">${name.toUpperCase()}</th><td><code>${model.baseUri(name)}</code></td></tr>`,
  )}</tbody></table></div>`;
}
