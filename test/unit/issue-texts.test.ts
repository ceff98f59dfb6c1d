import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { issueTexts } from '../../runtime/issue-texts.ts';

const schema = z.object({
  name: z.string(),
  count: z.number(),
  list: z.array(z.string()),
  id: z.string().regex(/^x$/, 'must be an x'),
});

function told(input: unknown): readonly string[] {
  const { error } = schema.safeParse(input, issueTexts);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('what is said of wrong input', () => {
  it('is for people: what is missing, or what it must be, not the validator’s own words', () => {
    expect(told({ count: 'three', list: {}, id: 'x' })).toEqual([
      'name: is missing',
      'count: must be a number',
      'list: must be an array',
    ]);
    expect(told(null)).toEqual([': must be an object']);
  });

  it('is a schema’s own message where it has one', () => {
    expect(told({ name: '', count: 1, list: [], id: 'y' })).toEqual(['id: must be an x']);
  });
});
