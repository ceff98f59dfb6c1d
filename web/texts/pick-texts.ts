import type { Texts } from './catalogue.ts';
import { english } from './english.ts';
import { german } from './german.ts';

const languages: Readonly<Record<string, Texts>> = { en: english, de: german };

/** The language that a browser likes best (`Accept-Language`, RFC 9110 section 12.5.4); English when none is ours. */
export function pickTexts(acceptLanguage: string | undefined): Texts {
  let best: Texts = english;
  let bestQuality = 0;
  for (const range of (acceptLanguage ?? '').slice(0, 1_000).split(',')) {
    const [tag = '', ...parameters] = range.trim().toLowerCase().split(';');
    const language = tag.split('-')[0] ?? '';
    const texts = Object.hasOwn(languages, language) ? languages[language] : undefined;
    const quality = parseQuality(parameters);
    if (texts !== undefined && quality > bestQuality) {
      best = texts;
      bestQuality = quality;
    }
  }
  return best;
}

function parseQuality(parameters: readonly string[]): number {
  const found = parameters.map((parameter) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(parameter)?.[1]).find(Boolean);
  return found === undefined ? 1 : Number(found);
}
