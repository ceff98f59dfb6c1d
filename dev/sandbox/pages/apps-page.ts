import type { SandboxControl } from '../control.ts';
import { mask } from '../mask.ts';
import { rotations } from '../model/types.ts';
import type { App } from '../model/types.ts';
import type { Flash } from './flashes.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { renderPage } from './layout.ts';
import { actionButton, moment, pill, selectField } from './widgets.ts';

export function buildAppsPage(control: SandboxControl, flash: Flash | undefined): string {
  const apps = control.apps();
  return renderPage({
    title: 'Apps',
    section: '/apps',
    flash,
    content: html`<h1>Apps</h1>
<p class="lead">The partner's applications as Concur knows them: their client secrets, and whether Concur lets them in at all.</p>
<h2>Registered apps</h2>
${
  apps.length === 0
    ? html`<p class="empty">No app yet: name some in <code>SANDBOX_APPS</code>, or <code>POST /__sandbox/apps</code>.</p>`
    : html`<div class="grid">${apps.map((app, index) => appCard(app, control.now(), index))}</div>`
}`,
  });
}

function appCard(app: App, now: number, index: number): Html {
  const base = `/apps/${encodeURIComponent(app.clientId)}`;
  return html`<article class="card">
<div class="spread"><h3>${app.name}</h3>${app.enabled ? pill('good', 'Enabled') : pill('bad', 'Disabled, code 59')}</div>
<p class="small soft">client id <code>${app.clientId}</code><br>${
    app.connectUri === null ? 'no connect URI' : html`opens <code>${app.connectUri}</code>`
  }<br>scopes <code>${app.scopes.join(' ')}</code></p>
<div class="stack small">${app.secrets
    .slice(-4)
    .map(
      (secret) =>
        html`<div class="spread"><span>secret <code>${mask(secret.value)}</code><br><span class="soft">${moment(
          secret.createdAtMs,
          now,
        )}</span></span>${secret.active ? pill('good', 'Active') : pill('bad', 'Inactive, code 64')}</div>`,
    )}</div>
<div class="row push">
${actionButton({ action: `${base}/secret`, label: 'New Secret', about: `for ${app.name}, the old one dies`, fields: { old: 'dies' } })}
${actionButton({ action: `${base}/secret`, label: 'Add secret', about: `for ${app.name}, the old one stays`, fields: { old: 'overlaps' } })}
${actionButton({
  action: `${base}/${app.enabled ? 'disable' : 'enable'}`,
  label: app.enabled ? 'Disable' : 'Enable',
  about: app.name,
  ...(app.enabled ? { tone: 'danger' as const } : {}),
})}
</div>
<form class="fields" method="post" action="${base}/rotation">${selectField({
    id: `rotation-${index}`,
    name: 'rotation',
    label: 'Refresh tokens rotate',
    options: [['', 'as the sandbox does'], ...rotations.map((kind) => [kind, kind] as const)],
    value: app.rotation ?? '',
  })}<button>Set</button></form>
<p class="small soft">New Secret: the old one dies at once. Add secret: both are active for a while.</p>
</article>`;
}
