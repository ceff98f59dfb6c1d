/** What the documents claim about files: every test they name is there, every link leads somewhere, one licence. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './planted-house.ts';

const documents = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
  ...readdirSync(join(root, 'examples')).map((example) => join('examples', example, 'README.md')),
];

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Test files and folders that a text names. */
function testsNamedIn(text: string): readonly string[] {
  return [...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path = '']) => path);
}

/** Files that a document links to, from the root. */
function linksOf(document: string): readonly string[] {
  return [...read(document).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].map(([, path = '']) =>
    join(dirname(document), path),
  );
}

function missing(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)].filter((path) => !existsSync(join(root, path)));
}

describe('the documents', () => {
  it.each(documents)('%s names tests and files that are there', (document) => {
    expect(missing(testsNamedIn(read(document)))).toEqual([]);
    expect(missing(linksOf(document))).toEqual([]);
  });

  it('would be found out if they named one that is not', () => {
    expect(missing(testsNamedIn('`test/arch/documents.test.ts`, `test/unit/nowhere.test.ts`'))).toEqual([
      'test/unit/nowhere.test.ts',
    ]);
  });

  it('are all to be found from the README', () => {
    const found = new Set(linksOf('README.md'));
    const documented = documents.filter((path) => path !== 'README.md' && !path.startsWith(join('docs', 'adr')));
    expect(documented.filter((path) => !found.has(path))).toEqual([]);
  });

  it('tell of every variable that a process reads, and of no other', () => {
    const sources = readdirSync(join(root, 'runtime')).map((file) => read(join('runtime', file)));
    const names = sources.flatMap((text) =>
      [...text.matchAll(/env\.(?:read|readSecret)\(\s*'([A-Z_]+)'/g)].map(([, name]) => name),
    );
    expect(names.length).toBeGreaterThan(30);
    const told = read('docs/configuration.md');
    // Set by `npm start` for its own parts.
    expect(names.filter((name) => !told.includes(`\`${name}\``))).toEqual(['EVERGRANT_WORKER_METRICS_URL']);
  });

  it('are under the licence that package.json names', () => {
    expect(JSON.parse(read('package.json'))).toMatchObject({ license: 'Apache-2.0' });
    expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0/);
  });
});

describe('docs/security.md', () => {
  const text = read('docs/security.md');
  const rows = text.split('\n').filter((line) => /^\| (?:[0-9T]|\d+\.)/.test(line));

  it('answers each item by a test, or by a reason', () => {
    expect(rows.length).toBeGreaterThan(120);
    const bare = rows.filter((row) => testsNamedIn(row).length === 0 && !/n\/a|Exception|Not supported/.test(row));
    // What is answered by the page itself, or by the system.
    expect(bare.map((row) => row.split('|')[1]?.trim())).toEqual([
      '11.5.2',
      '14.1.1, 14.1.2',
      '16.1.1',
      '4.6 access token injection',
    ]);
  });

  it('goes through every requirement of the chapters that it is about', () => {
    // Numbers of requirements in each section of OWASP ASVS 5.0.
    const sections: Readonly<Record<string, number>> = {
      '6.1': 3,
      '6.2': 12,
      '6.3': 8,
      '6.4': 6,
      '6.5': 8,
      '6.6': 4,
      '6.7': 2,
      '6.8': 3,
      '9.1': 3,
      '9.2': 4,
      '10.1': 2,
      '10.2': 3,
      '10.3': 5,
      '10.4': 16,
      '10.5': 5,
      '10.6': 2,
      '10.7': 3,
      '11.1': 4,
      '11.2': 5,
      '11.3': 5,
      '11.4': 3,
      '11.5': 2,
      '11.6': 2,
      '11.7': 2,
      '13.1': 4,
      '13.2': 6,
      '13.3': 4,
      '13.4': 7,
      '14.1': 2,
      '14.2': 8,
      '14.3': 3,
      '16.1': 1,
      '16.2': 5,
      '16.3': 4,
      '16.4': 3,
      '16.5': 4,
    };
    const wanted = Object.entries(sections).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, n) => `${section}.${n + 1}`),
    );
    const answered = rows.flatMap((row) => (row.split('|')[1] ?? '').split(',').flatMap(numbersOf));
    expect(wanted.filter((id) => !answered.includes(id))).toEqual([]);
  });
});

/** `6.2.1–6.2.12` is twelve of them. */
function numbersOf(text: string): readonly string[] {
  const [from, to] = text.trim().split('–');
  const [, section = '', first = ''] = /^(\d+\.\d+)\.(\d+)$/.exec(from ?? '') ?? [];
  const last = /^\d+\.\d+\.(\d+)$/.exec(to ?? '')?.[1] ?? first;
  if (section === '') return [];
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => `${section}.${Number(first) + n}`);
}
