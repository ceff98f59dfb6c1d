import { html } from './html.ts';
import type { Html } from './html.ts';

/** Customers of the partner, each with its one user. They are none of SAP Concur's companies. */
export const partnerAccounts = [
  { customer: 'Acme Ltd', user: 'Alice Archer' },
  { customer: 'Globex Corporation', user: 'Gus Grissom' },
] as const;

export interface PartnerPage {
  /** What Evergrant calls the visit; null when nobody came from there. */
  readonly session: string | null;
  /** Where both forms of the page are. */
  readonly paths: { readonly signIn: string; readonly signUp: string };
  /** What did not work. */
  readonly problem?: string;
}

/** Sign-in of the partner's site: no real one has its users to choose from. */
export function renderSignInPage({ session, paths, problem }: PartnerPage): string {
  return renderPartnerPage(
    'Sign in',
    problem,
    html`<p class="lead">You came here from SAP Concur. Sign in, so that we know which of our customers connects.</p>
<form class="card" method="post" action="${paths.signIn}">
${sessionField(session)}
${partnerAccounts.map(
  ({ customer, user }, index) =>
    html`<div class="row"><input type="radio" id="account-${index}" name="customer" value="${customer}" required${
      index === 0 && html` checked`
    }><label for="account-${index}"><strong>${user}</strong>, ${customer}</label></div>`,
)}
<div class="row"><button class="primary">Sign in</button></div>
</form>
<p class="after">No account yet? <a href="${paths.signUp}${session !== null && html`?session=${encodeURIComponent(session)}`}">Sign up</a></p>`,
  );
}

/** Sign-up: nothing is kept of it but the name that goes to Evergrant. */
export function renderSignUpPage({ session, paths, problem }: PartnerPage): string {
  return renderPartnerPage(
    'Sign up',
    problem,
    html`<p class="lead">A new account for your company. Its name is all that we ask for here.</p>
<form class="card" method="post" action="${paths.signUp}">
${sessionField(session)}
<div class="field"><label for="customer">Company</label>
<input id="customer" name="customer" required maxlength="200" autocomplete="organization"></div>
<div class="row"><button class="primary">Sign up</button></div>
</form>`,
  );
}

function sessionField(session: string | null): Html | null {
  return session === null ? null : html`<input type="hidden" name="session" value="${session}">`;
}

function renderPartnerPage(title: string, problem: string | undefined, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${problem !== undefined && 'Error: '}${title} · Demo Receipts</title>
<link rel="stylesheet" href="/assets/sandbox.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
</head>
<body>
<main id="main">
<p class="crumb">Demo Receipts</p>
<h1>${title}</h1>
${problem !== undefined && html`<div class="notice bad" role="alert"><p>${problem}</p></div>`}
${content}
</main>
<footer>A partner's own site, as the sandbox plays it: it lets everybody in and keeps nothing.</footer>
</body>
</html>`.text;
}
