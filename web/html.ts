/**
 * Markup as tagged templates. Every value is escaped unless it is markup made here, so that nothing from
 * outside can become an element, an attribute or a script.
 */

/** Markup that is safe to send; only {@link html} makes it. */
export class Html {
  readonly #markup: string;

  private constructor(markup: string) {
    this.#markup = markup;
  }

  static join(strings: TemplateStringsArray, values: readonly HtmlValue[]): Html {
    let markup = strings[0] ?? '';
    values.forEach((value, index) => {
      markup += render(value) + (strings[index + 1] ?? '');
    });
    return new Html(markup);
  }

  toString(): string {
    return this.#markup;
  }
}

/** What a template takes: `null`, `undefined` and `false` leave nothing behind, arrays follow each other. */
export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[];

/** Builds markup; quote every attribute, since values are escaped for text and for quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.join(strings, values);
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.toString();
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escapeText(value);
  return value.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
