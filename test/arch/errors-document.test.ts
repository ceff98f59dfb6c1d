/** docs/errors.md is printed from the table of errors: `npx vitest run --project arch test/arch/errors-document.test.ts -u`. */
import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorTable } from '../../core/errors.ts';

const HEAD = `# Errors

Every error of the API is a problem (RFC 9457) with one of these codes; its \`type\` is \`urn:evergrant:problem:\` and the code. *Again*: whether the same request may
work later without anybody doing something; every 429 and 503 says when, in \`retry-after\`.
`;

function renderErrors(): string {
  const rows = Object.entries(errorTable)
    // Ends a process before it answers anybody.
    .filter(([code]) => code !== 'configuration-invalid')
    .map(
      ([code, { status, retryable, title, hint }]) =>
        `| \`${code}\` | ${status} | ${retryable ? 'yes' : ''} | ${title} | ${hint.replaceAll('|', '\\|')} |`,
    );
  return `${HEAD}\n| code | status | again | it says | what to do |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

describe('docs/errors.md', () => {
  it('is what the table of errors prints', async () => {
    expect(Object.keys(errorTable).length).toBeGreaterThan(25);
    await expect(renderErrors()).toMatchFileSnapshot('../../docs/errors.md');
  });

  it('has a line for each code that a partner may meet', () => {
    const codes: readonly ErrorCode[] = [
      'bad-request',
      'reauthorization-required',
      'rate-limited',
      'temporal-unavailable',
    ];
    for (const code of codes) expect(renderErrors()).toContain(`| \`${code}\` |`);
  });
});
