import { html } from './html.ts';
import type { Html, HtmlPart } from './html.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'plain';

export function pill(tone: Tone, text: string): Html {
  return html`<span class="pill ${tone}">${text}</span>`;
}

/** A button that posts a form of its own. */
export function actionButton(options: {
  readonly action: string;
  readonly label: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly tone?: 'primary' | 'danger';
  readonly disabled?: boolean;
  /** Said to those who cannot see what stands around the button. */
  readonly about?: string;
  readonly describedBy?: string | undefined;
  readonly newWindow?: boolean;
}): Html {
  return html`<form method="post" action="${options.action}"${options.newWindow && html` target="_blank"`}>
${Object.entries(options.fields ?? {}).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button class="${options.tone ?? ''}"${options.disabled && html` disabled`}${
    options.about && html` aria-label="${options.label} ${options.about}"`
  }${options.describedBy && html` aria-describedby="${options.describedBy}"`}>${options.label}</button>
</form>`;
}

export function selectField(options: {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly value?: string;
}): Html {
  return html`<div class="field"><label for="${options.id}">${options.label}</label>
<select id="${options.id}" name="${options.name}">${options.options.map(
    ([value, text]) => html`<option value="${value}"${value === options.value && html` selected`}>${text}</option>`,
  )}</select></div>`;
}

export function textField(options: {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly value?: string;
  readonly required?: boolean;
}): Html {
  return html`<div class="field"><label for="${options.id}">${options.label}</label>
<input id="${options.id}" name="${options.name}" value="${options.value ?? ''}"${options.required && html` required`} autocomplete="off"></div>`;
}

/** A table in a box that scrolls by itself, reachable by keyboard. */
export function dataTable(options: {
  /** None where a heading says the same. */
  readonly caption?: HtmlPart;
  readonly label: string;
  /** A leading `#` marks a column of numbers. */
  readonly heads: readonly string[];
  readonly rows: readonly Html[];
}): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${options.label}"><table>
${options.caption !== undefined && html`<caption>${options.caption}</caption>`}
<thead><tr>${options.heads.map((head) =>
    head.startsWith('#') ? html`<th scope="col" class="num">${head.slice(1)}</th>` : html`<th scope="col">${head}</th>`,
  )}</tr></thead>
<tbody>${options.rows}</tbody>
</table></div>`;
}

/** A moment, and how far it is from now. */
export function moment(atMs: number, nowMs: number): Html {
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${distance(atMs - nowMs)}</time>`;
}

function distance(ms: number): string {
  const size = Math.abs(ms);
  const words =
    size < 1_500
      ? null
      : size < 90_000
        ? `${Math.round(size / 1_000)} s`
        : size < 5_400_000
          ? `${Math.round(size / 60_000)} min`
          : size < 172_800_000
            ? `${Math.round(size / 3_600_000)} h`
            : `${Math.round(size / 86_400_000)} days`;
  if (words === null) return 'now';
  return ms < 0 ? `${words} ago` : `in ${words}`;
}

export function initials(name: string): string {
  return name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => word.charAt(0).toUpperCase())
    .join('');
}
