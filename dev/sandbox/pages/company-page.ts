/** A company's page: the App Center as its people see it, Web Services administration, and what Concur has on file. */
import type { SandboxControl } from '../control.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { disabledCodes } from '../model/types.ts';
import type { App, Company, User } from '../model/types.ts';
import { homes } from './companies-page.ts';
import type { Flash } from './flashes.ts';
import { renderGrants } from './grant-tables.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { renderPage } from './layout.ts';
import { actionButton, initials, pill, selectField } from './widgets.ts';

interface CompanyView {
  readonly control: SandboxControl;
  readonly model: ConcurModel;
  readonly company: Company;
  readonly users: readonly User[];
  /** Who looks at the App Center. */
  readonly viewer: User | undefined;
}

export function buildCompanyPage(
  control: SandboxControl,
  model: ConcurModel,
  company: Company,
  options: { readonly as: string | undefined; readonly flash: Flash | undefined },
): string {
  const users = control.users(company.id);
  const viewer =
    users.find((user) => user.id === options.as) ?? users.find((user) => user.webServicesAdmin) ?? users[0];
  const view: CompanyView = { control, model, company, users, viewer };
  return renderPage({
    title: company.name,
    section: '/',
    flash: options.flash,
    content: html`<p class="crumb"><a href="/">Companies</a></p>
${renderHead(company)}
<h2 id="people">Signed in as</h2>
${renderPeople(view)}
<h2>App Center</h2>
<div class="grid">${control.apps().map((app, index) => renderListing(view, app, index))}</div>
<h2>Web Services administration</h2>
<div class="grid two">${renderRequestToken(view)}${renderCompanyState(view)}${renderMove(view)}${renderUserState(view)}</div>
<h2>On file at Concur</h2>
${renderGrants(control, [company.id, ...users.map((user) => user.id)], `/companies/${company.id}`)}`,
  });
}

function renderHead(company: Company): Html {
  return html`<div class="head"><h1>${company.name}</h1>${pill('plain', company.dataCentre.toUpperCase())}
${company.disabledCode !== null && pill('bad', `Disabled, code ${company.disabledCode}`)}
${company.maintenance && pill('warn', 'Maintenance, code 134')}</div>
<dl class="facts"><div><dt>UUID</dt><dd><code>${company.id}</code></dd></div>
<div><dt>Domain</dt><dd>${company.domain}</dd></div></dl>`;
}

function renderPeople(view: CompanyView): Html {
  if (view.users.length === 0) return html`<p class="empty">Nobody works here.</p>`;
  return html`<ul class="people">${view.users.map(
    (user) => html`<li><a class="person" href="?as=${user.id}"${user === view.viewer && html` aria-current="true"`}>
<span class="face" aria-hidden="true">${initials(user.displayName)}</span>
<span><strong>${user.displayName}</strong><span class="small soft">${
      user.webServicesAdmin ? 'Web Services Admin' : 'no Web Services Admin permission'
    }${user.disabledCode !== null && `, disabled (${user.disabledCode})`}</span></span></a></li>`,
  )}</ul>`;
}

function renderListing(view: CompanyView, app: App, index: number): Html {
  const { company, viewer, control } = view;
  const base = `/companies/${company.id}/apps/${encodeURIComponent(app.clientId)}`;
  const isLegacy = app.flow === 'app-center-legacy';
  const principalId = app.principalType === 'company' && !isLegacy ? company.id : viewer?.id;
  const connected = principalId !== undefined && control.isConnected({ clientId: app.clientId, principalId });
  const enabled = !company.disabledApps.includes(app.clientId);
  const why = whyNoConnect(app, viewer);
  const whyId = `why-${index}`;
  const fields = { userId: viewer?.id ?? '', principalId: principalId ?? '' };
  return html`<article class="card">
<div class="spread"><h3>${app.name}</h3>${connected ? pill('good', 'Connected') : pill('quiet', 'Not connected')}</div>
<p class="small soft">${kindOf(app)} · client id <code>${app.clientId}</code>${
    app.connectUri !== null && html`<br>opens <code>${app.connectUri}</code>`
  }</p>
<div class="row">${!enabled && pill('bad', 'Disabled here, code 53')}${!app.enabled && pill('bad', 'Disabled by Concur, code 59')}</div>
${why !== null && html`<p class="small" id="${whyId}">${why}</p>`}
<div class="row push">
${actionButton({
  action: `${base}/connect`,
  label: connected ? 'Connect again' : 'Connect',
  about: app.name,
  fields,
  tone: 'primary',
  disabled: why !== null,
  describedBy: why === null ? undefined : whyId,
  newWindow: true,
})}
${
  isLegacy &&
  actionButton({
    action: `${base}/connect`,
    label: 'Deny',
    about: app.name,
    fields: { ...fields, deny: 'true' },
    disabled: why !== null,
    describedBy: why === null ? undefined : whyId,
    newWindow: true,
  })
}
${connected && actionButton({ action: `${base}/disconnect`, label: 'Disconnect', about: app.name, fields, tone: 'danger' })}
${actionButton({
  action: `${base}/${enabled ? 'disable' : 'enable'}`,
  label: enabled ? 'Disable application' : 'Enable application',
  fields,
  about: app.name,
})}
</div></article>`;
}

function kindOf({ flow, principalType }: App): string {
  if (flow === 'app-center-legacy') return 'App of before 2017';
  return principalType === 'company' ? 'Enterprise app' : 'App for me';
}

function whyNoConnect(app: App, viewer: User | undefined): string | null {
  if (app.connectUri === null) return 'This app has no connect URI, so there is nothing to press.';
  if (viewer === undefined) return 'Nobody is signed in.';
  if (app.flow === 'quick-connect' && app.principalType === 'company' && !viewer.webServicesAdmin) {
    return `${viewer.displayName} lacks the Web Services Admin permission, so Connect is not available.`;
  }
  return null;
}

function renderRequestToken({ control, company, users }: CompanyView): Html {
  const principals = [
    [company.id, 'the company'] as const,
    ...users.map((user) => [user.id, user.displayName] as const),
  ];
  return html`<section class="card"><h3>Company request token</h3>
<p class="small soft">Made by hand and given to the partner together with the UUID. Lives 24 hours, five uses.</p>
<form class="fields push" method="post" action="/companies/${company.id}/request-token">
${selectField({ id: 'rt-app', name: 'clientId', label: 'For the app', options: appOptions(control) })}
${selectField({ id: 'rt-principal', name: 'principalId', label: 'Of', options: principals })}
<button>Create token</button></form></section>`;
}

function renderCompanyState({ company }: CompanyView): Html {
  const base = `/companies/${company.id}`;
  return html`<section class="card"><h3>Company</h3>
<p class="small soft">A disabled company's tokens are refused with the code; maintenance is code 134.</p>
<div class="row low push">${
    company.disabledCode === null
      ? html`<form class="fields" method="post" action="${base}/disable">${codeSelect('company-code')}<button class="danger">Disable</button></form>`
      : actionButton({ action: `${base}/enable`, label: 'Enable' })
  }${actionButton({
    action: `${base}/maintenance`,
    label: company.maintenance ? 'End maintenance' : 'Start maintenance',
    fields: { on: String(!company.maintenance) },
  })}</div></section>`;
}

function renderMove({ model, company }: CompanyView): Html {
  const former = Object.entries(company.formerHomes).map(([name, kind]) => `${name.toUpperCase()} ${kind}`);
  return html`<section class="card"><h3>Move to another data centre</h3>
<p class="small soft">${
    former.length === 0 ? 'The geolocation of every later answer changes.' : `Former homes: ${former.join(', ')}.`
  }</p>
<form class="fields push" method="post" action="/companies/${company.id}/move">
${selectField({ id: 'move-to', name: 'dataCentre', label: 'To', options: homes(model).filter(([name]) => name !== company.dataCentre) })}
${selectField({
  id: 'move-former',
  name: 'formerHome',
  label: 'The old one then',
  options: [
    ['redirects', 'redirects (code 16)'],
    ['serves', 'still serves'],
    ['forgets', 'forgets (code 100)'],
  ],
})}
<button>Move tenant</button></form></section>`;
}

function renderUserState({ company, users }: CompanyView): Html {
  return html`<section class="card"><h3>People</h3>
<div class="stack">${users.map((user) => {
    const base = `/companies/${company.id}/users/${user.id}`;
    return html`<div class="spread"><span>${user.displayName}<br><span class="small soft mono">${user.login}</span></span>${
      user.disabledCode === null
        ? actionButton({ action: `${base}/disable`, label: 'Lock', about: user.displayName, fields: { code: '14' } })
        : actionButton({ action: `${base}/enable`, label: 'Unlock', about: user.displayName })
    }</div>`;
  })}</div></section>`;
}

function codeSelect(id: string): Html {
  return selectField({ id, name: 'code', label: 'Code', options: disabledCodes.map((code) => [`${code}`, `${code}`]) });
}

function appOptions(control: SandboxControl): readonly (readonly [string, string])[] {
  return control.apps().map((app) => [app.clientId, app.name]);
}
