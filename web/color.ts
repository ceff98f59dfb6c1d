/**
 * A partner's brand colour made readable: whatever it is, text and controls in it keep a contrast of at least
 * 4.5:1 against the page in the light and in the dark scheme (WCAG 2.2, success criteria 1.4.3 and 1.4.11).
 */

type Rgb = readonly [red: number, green: number, blue: number];

/** The colour of one scheme: `accent` for controls and links, `ink` for text on it, `tint` for a surface in its light. */
export interface Accent {
  readonly accent: string;
  readonly ink: string;
  readonly tint: string;
}

export interface Palette {
  readonly light: Accent;
  readonly dark: Accent;
}

/** What `styles.css` paints under links and controls in both schemes; the accents are measured against all of it. */
export const surfaceColors = {
  light: { card: '#ffffff', page: '#f3f5f8' },
  dark: { card: '#1d2129', page: '#12151a' },
} as const;

/** Used when an app's colour is no `#rgb` or `#rrggbb`. */
export const defaultBrandColor = '#0a6ed1';

const LEAST_CONTRAST = 4.5;
/** How much of the accent is in the tint: enough to be seen, too little to make text on it hard to read. */
const TINT_SHARE = 0.06;
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Six lower-case hex digits of a CSS colour such as `#0A6ED1` or `#abc`; of the default for anything else. */
export function normalizeColor(color: string): string {
  const digits = color.trim().replace(/^#/, '').toLowerCase();
  if (/^[0-9a-f]{6}$/.test(digits)) return digits;
  if (/^[0-9a-f]{3}$/.test(digits)) return [...digits].map((digit) => digit + digit).join('');
  return defaultBrandColor.slice(1);
}

export function buildPalette(color: string): Palette {
  const brand = parseHex(normalizeColor(color));
  return {
    light: buildAccent(brand, surfaceColors.light, BLACK),
    dark: buildAccent(brand, surfaceColors.dark, WHITE),
  };
}

/** Contrast of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrastOf(one: string, other: string): number {
  return contrast(parseHex(normalizeColor(one)), parseHex(normalizeColor(other)));
}

/** Moves the brand towards `pole` in small steps until it can be read on every surface, its own tint among them. */
function buildAccent(brand: Rgb, surfaces: { readonly card: string; readonly page: string }, pole: Rgb): Accent {
  const [card, page] = [parseHex(surfaces.card.slice(1)), parseHex(surfaces.page.slice(1))];
  let accent = brand;
  let tint = mix(card, accent, TINT_SHARE);
  for (let share = 0; share <= 1; share += 0.02) {
    accent = mix(brand, pole, share);
    tint = mix(card, accent, TINT_SHARE);
    const current = accent;
    if ([card, page, tint].every((surface) => contrast(current, surface) >= LEAST_CONTRAST)) break;
  }
  const ink = contrast(accent, WHITE) >= contrast(accent, BLACK) ? WHITE : BLACK;
  return { accent: formatHex(accent), ink: formatHex(ink), tint: formatHex(tint) };
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const blend = (a: number, b: number): number => Math.round(a + (b - a) * share);
  return [blend(from[0], to[0]), blend(from[1], to[1]), blend(from[2], to[2])];
}

function contrast(one: Rgb, other: Rgb): number {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function linear(channel: number): number {
  const value = channel / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function parseHex(digits: string): Rgb {
  const channel = (at: number): number => Number.parseInt(digits.slice(at, at + 2), 16);
  return [channel(0), channel(2), channel(4)];
}

function formatHex(color: Rgb): string {
  return `#${color.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
