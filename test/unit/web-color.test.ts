import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPalette, cardColors, contrastOf, normalizeColor } from '../../web/color.ts';

describe('brand colours', () => {
  it('are readable on the page and under their own text, whatever the brand is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), (value) => {
        const { light, dark } = buildPalette(`#${value.toString(16).padStart(6, '0')}`);
        expect(contrastOf(light.accent, cardColors.light)).toBeGreaterThanOrEqual(4.5);
        expect(contrastOf(dark.accent, cardColors.dark)).toBeGreaterThanOrEqual(4.5);
        expect(contrastOf(light.accent, light.ink)).toBeGreaterThanOrEqual(4.5);
        expect(contrastOf(dark.accent, dark.ink)).toBeGreaterThanOrEqual(4.5);
      }),
      { numRuns: 2_000, examples: [[0], [0xffffff], [0xffff00], [0x7f7f7f], [0x0000ff]] },
    );
  });

  it('are measured against the very colours that the stylesheet paints', () => {
    const styles = readFileSync(new URL('../../web/styles.css', import.meta.url), 'utf8');
    const painted = [...styles.matchAll(/--card: (#[0-9a-f]{6});/g)].map(([, color]) => color);
    expect(painted).toEqual([cardColors.light, cardColors.dark]);
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
