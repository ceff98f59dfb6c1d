/**
 * Stylesheets, icon and the one script, served from addresses that change with their content: so they can be cached for
 * ever, and pages need neither inline styles nor inline scripts.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Accent, buildPalette, normalizeColor, type Palette } from './color.ts';

export interface Asset {
  readonly type: 'text/css; charset=utf-8' | 'image/svg+xml' | 'text/javascript; charset=utf-8';
  readonly body: string;
}

const styles = readAsset('styles.css');
const docsStyles = readAsset('docs.css');
const icon = readAsset('icon.svg');
const progressScript = readAsset('progress.js');

/** Changes with every asset; one brand's stylesheet stands for how all of them are made. */
export const assetVersion = createHash('sha256')
  .update(styles)
  .update(docsStyles)
  .update(icon)
  .update(progressScript)
  .update(buildBrandStyles(buildPalette('#7f3fbf')))
  .digest('base64url')
  .slice(0, 12);

export const stylesPath = `/assets/${assetVersion}/styles.css`;
/** Besides the other one, for the description of the API. */
export const docsStylesPath = `/assets/${assetVersion}/docs.css`;
export const iconPath = `/assets/${assetVersion}/icon.svg`;
export const progressScriptPath = `/assets/${assetVersion}/progress.js`;

/** Where the stylesheet with an app's colour lies. */
export function brandStylesPath(color: string): string {
  return `/assets/${assetVersion}/brand-${normalizeColor(color)}.css`;
}

/** The asset with that file name, null when there is none. */
export function maybeAsset(file: string): Asset | null {
  if (file === 'styles.css') return { type: 'text/css; charset=utf-8', body: styles };
  if (file === 'docs.css') return { type: 'text/css; charset=utf-8', body: docsStyles };
  if (file === 'icon.svg') return { type: 'image/svg+xml', body: icon };
  if (file === 'progress.js') return { type: 'text/javascript; charset=utf-8', body: progressScript };
  const color = /^brand-([0-9a-f]{6})\.css$/.exec(file)?.[1];
  return color === undefined
    ? null
    : { type: 'text/css; charset=utf-8', body: buildBrandStyles(buildPalette(`#${color}`)) };
}

/** The files lie beside this one, compiled or not: what the build forgets keeps the process from starting. */
function readAsset(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8');
}

function buildBrandStyles({ light, dark }: Palette): string {
  return `:root{${declare(light)}}@media (prefers-color-scheme:dark){:root{${declare(dark)}}}\n`;
}

function declare({ accent, ink, tint }: Accent): string {
  return `--accent:${accent};--ink:${ink};--tint:${tint}`;
}
