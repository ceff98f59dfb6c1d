import type { SandboxControl } from '../control.ts';
import type { GrantView, TokenView } from '../grant-view.ts';
import { mask } from '../mask.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { actionButton, dataTable, moment, pill } from './widgets.ts';

/** How many tokens of a kind a page shows; lax rotation leaves hundreds. */
const SHOWN = 6;

/** What Concur has on file about these principals, secrets masked. */
export function renderGrants(control: SandboxControl, principalIds: readonly string[], base: string): Html {
  const grants = principalIds.flatMap((principalId) => control.grants({ principalId }));
  if (grants.length === 0) return html`<p class="empty">Nothing yet: no request token, no grant.</p>`;
  return html`<div class="stack">${grants.map((grant) => renderGrant(control.now(), grant, base))}</div>`;
}

function renderGrant(now: number, grant: GrantView, base: string): Html {
  const rows = [
    ...grant.refreshTokens.slice(-SHOWN).map((token) => tokenRow(now, 'Refresh token', token, '')),
    ...grant.accessTokens.slice(-SHOWN).map((token) => tokenRow(now, 'Access token', token, '')),
    ...grant.requestTokens.slice(-SHOWN).map((token) => tokenRow(now, 'Request token', token, usesOf(token))),
    ...grant.legacyTokens.slice(-SHOWN).map((token) => tokenRow(now, 'One-year token', token, '')),
    ...grant.legacyCodes.slice(-SHOWN).map((code) => tokenRow(now, 'Code', code, usesOf(code))),
  ];
  const expire = (which: string, label: string): Html =>
    actionButton({
      action: `${base}/expire`,
      label,
      fields: { clientId: grant.clientId, principalId: grant.principalId, which },
      about: `of ${grant.appName}`,
    });
  const isLegacy = grant.legacyTokens.length > 0 || grant.legacyCodes.length > 0;
  return html`<div>${dataTable({
    caption: html`${grant.appName} <span class="soft">for ${grant.principalName}</span> ${
      grant.connected ? pill('good', 'grant lives') : pill('quiet', 'no living grant')
    }`,
    label: `Tokens of ${grant.appName} for ${grant.principalName}`,
    heads: ['Kind', 'Value', 'State', 'Issued', 'Ends'],
    rows,
  })}<div class="row after">${
    isLegacy
      ? expire('legacy', 'Let one-year tokens run out')
      : html`${expire('access', 'Let access tokens run out')}${expire('refresh', 'Let refresh tokens run out')}`
  }</div></div>`;
}

function usesOf({ uses }: { readonly uses: number }): string {
  return `${uses} ${uses === 1 ? 'use' : 'uses'}`;
}

function tokenRow(now: number, kind: string, token: TokenView, extra: string): Html {
  const state = token.live
    ? pill(token.note === 'replaced' ? 'warn' : 'good', token.note ?? 'live')
    : pill('bad', token.note ?? 'dead');
  return html`<tr><td>${kind}</td><td class="mono">${mask(token.value)}</td><td>${state} <span class="small soft">${extra}</span></td>
<td>${moment(token.issuedAtMs, now)}</td><td>${moment(token.expiresAtMs, now)}</td></tr>`;
}
