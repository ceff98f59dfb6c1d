/** The panel beside a step of the flow: who is connected with whom, how that stands, and whose integration it is. */
import { isolateName } from './bidi.ts';
import { type Html, html } from './html.ts';
import type { Texts } from './texts/catalogue.ts';

/** How the connection stands, as the picture shows it. */
export type Bond = 'open' | 'pending' | 'connected' | 'broken';

export interface Side {
  readonly texts: Texts;
  readonly brand: string;
  readonly bond: Bond;
  /** What else is worth knowing here, a paragraph each. */
  readonly notes?: readonly string[];
}

/** Text that screen readers read too; the picture says nothing that the page does not. */
export function renderSide({ texts, brand, bond, notes = [] }: Side): Html {
  return html`<div class="pair ${bond}" aria-hidden="true"><span class="tile own">${initialOf(brand)}</span>${bonds[bond]}<span class="tile">SAP<br>Concur</span></div>
<p class="integration">${texts.integrationNote(isolateName(brand))}</p>
${notes.map((note) => html`<p>${note}</p>`)}`;
}

/** The first letter or digit of a name, for a partner without a logo. */
export function initialOf(brand: string): string {
  return (/\p{L}\p{M}*|\p{N}/u.exec(brand)?.[0] ?? '•').toLocaleUpperCase('en');
}

const line = html`<path class="line" d="M2 18h68"/>`;
const badge = html`<circle class="badge" cx="36" cy="18" r="12"/>`;

const bonds: Readonly<Record<Bond, Html>> = {
  open: draw(line),
  pending: draw(html`${line}<circle class="dot" cx="2" cy="18" r="4"/>`),
  connected: draw(html`${line}${badge}<path class="sign" d="M30.5 18.5l4 4 7.5-8.5"/>`),
  broken: draw(html`${line}${badge}<path class="sign" d="M32 14l8 8M40 14l-8 8"/>`),
};

function draw(shapes: Html): Html {
  return html`<svg viewBox="0 0 72 36" focusable="false">${shapes}</svg>`;
}
