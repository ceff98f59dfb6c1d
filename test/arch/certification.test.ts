/** The checklist of the certification can't rot: every test that it names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const checklist = readFileSync(new URL('docs/certification.md', root), 'utf8');

/** Lines of the checklist whose test is not in the file that they name. */
function missingTests(markdown: string): string[] {
  return linesOf(markdown).flatMap(([name, file]) => {
    const place = new URL(file, root);
    const isThere = existsSync(place) && readFileSync(place, 'utf8').includes(name);
    return isThere ? [] : [`${name} in ${file}`];
  });
}

function linesOf(markdown: string): (readonly [name: string, file: string])[] {
  return [...markdown.matchAll(/\| `([^`]+)` \| `(test\/[^`]+)` \|$/gm)].map(([, name = '', file = '']) => [
    name,
    file,
  ]);
}

it('names tests that are there, one for each rule', () => {
  const rules = checklist.split('\n').filter((line) => line.startsWith('| ')).length - 2;
  expect(rules).toBeGreaterThanOrEqual(20);
  expect(linesOf(checklist)).toHaveLength(rules);
  expect(missingTests(checklist)).toEqual([]);
});

it('would notice a test that has gone', () => {
  const planted = '| a rule | somehow | `nobody wrote this one` | `test/unit/web-pages.test.ts` |';
  expect(missingTests(planted)).toEqual(['nobody wrote this one in test/unit/web-pages.test.ts']);
});
