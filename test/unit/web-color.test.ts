import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPalette, contrastOf, normalizeColor, surfaceColors } from '../../web/color.ts';

const styles = readFileSync(new URL('../../web/styles.css', import.meta.url), 'utf8');

/** Values of a custom property in the stylesheet: of the light scheme, then of the dark one. */
function painted(name: string): readonly string[] {
  return [...styles.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6});`, 'g'))].map(([, color]) => color ?? '');
}

describe('brand colours', () => {
  it('are readable on every surface and under their own text, whatever the brand is', () => {
    const [lightText = '', darkText = ''] = painted('muted');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), (value) => {
        const { light, dark } = buildPalette(`#${value.toString(16).padStart(6, '0')}`);
        for (const [{ accent, ink, tint }, { card, page }, muted] of [
          [light, surfaceColors.light, lightText],
          [dark, surfaceColors.dark, darkText],
        ] as const) {
          for (const other of [card, page, tint, ink]) expect(contrastOf(accent, other)).toBeGreaterThanOrEqual(4.5);
          expect(contrastOf(muted, tint)).toBeGreaterThanOrEqual(4.5);
        }
      }),
      { numRuns: 2_000, examples: [[0], [0xffffff], [0xffff00], [0x7f7f7f], [0x0000ff], [0xf3f5f8]] },
    );
  });

  it('are measured against the very colours that the stylesheet paints', () => {
    const { light, dark } = surfaceColors;
    expect(painted('card')).toEqual([light.card, dark.card]);
    expect(painted('page')).toEqual([light.page, dark.page]);
  });

  it('stay as they are where they can be read already', () => {
    expect(buildPalette('#0a5bb0').light.accent).toBe('#0a5bb0');
  });

  it('are measured as WCAG measures: black on white is 21', () => {
    expect(contrastOf('#000000', '#ffffff')).toBeCloseTo(21, 5);
  });

  it('may be short or in capitals; nonsense becomes the default', () => {
    expect(normalizeColor('#ABC')).toBe('aabbcc');
    expect(normalizeColor('#0A6ED1')).toBe('0a6ed1');
    for (const wrong of ['', 'red', '#12345', '#1234567', '#0a6ed1;}body{'])
      expect(normalizeColor(wrong)).toBe('0a6ed1');
  });
});
