/** What is said of a value that the schema refuses, where the validator's own words are a programmer's. */
import type { z } from 'zod';

/** For `safeParse`: `is missing`, `must be a string`. A schema's own message goes before it. */
export const issueTexts = {
  error: (issue: z.core.$ZodRawIssue): string | undefined => {
    if (issue.code !== 'invalid_type') return undefined;
    if (issue.input === undefined) return 'is missing';
    const article = /^[aeiou]/.test(issue.expected) ? 'an' : 'a';
    return `must be ${article} ${issue.expected}`;
  },
};
