/** Rules about single files that neither imports nor eslint can tell: who reads the environment, who sees a secret. */
import ts from 'typescript';
import type { RepositoryFile } from './repository-files.ts';

export interface Finding {
  readonly rule: string;
  readonly path: string;
  /** From 1; 0 when the file as such is wrong. */
  readonly line: number;
}

interface SourceRule {
  readonly name: string;
  /** Files that it holds for. */
  readonly holdsFor: (path: string) => boolean;
  /** Lines, from 1, that break it; 0 for the whole file. */
  readonly find: (file: RepositoryFile) => readonly number[];
}

const isScript = (path: string): boolean => /\.(ts|mjs|cjs|js)$/.test(path);
/** No part of an installation. */
const isWorkshop = (path: string): boolean => /^(dev|test|bench|examples)\//.test(path);

/** May see plaintext, besides vault/ and concur/; each with what it does with it. */
const revealers: ReadonlySet<string> = new Set([
  // Packs an answer of Concur so that the vault can seal it whole.
  'core/token-answer.ts',
  'core/obtained.ts',
  // Packs what is brought in several parts, for the same end.
  'core/intake-credential.ts',
  // Writes the answer of the token route.
  'api/token-reader.ts',
  // Prints a new client's bearer token, once.
  'cli/clients.ts',
  // Prints a new secret for webhooks, once.
  'cli/webhooks.ts',
]);

/** Folders that say nothing about what is in them. */
const DRAWER = /(^|\/)(utils?|helpers?|commons?|shared|libs?|misc)\//;
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export const sourceRules: readonly SourceRule[] = [
  {
    name: 'environment-is-read-in-one-place',
    holdsFor: (path) => isScript(path) && path !== 'runtime/config.ts' && !isWorkshop(path),
    find: (file) => linesWhere(file, readsEnvironment),
  },
  {
    name: 'secrets-are-revealed-in-listed-places',
    holdsFor: (path) => isScript(path) && !/^(vault|concur)\//.test(path) && !revealers.has(path) && !isWorkshop(path),
    find: (file) => linesWhere(file, revealsSecret),
  },
  {
    name: 'no-folder-is-a-drawer',
    holdsFor: () => true,
    find: ({ path }) => (DRAWER.test(path) ? [0] : []),
  },
  {
    name: 'barrels-are-two',
    holdsFor: (path) => isScript(path) && !/^(workflows|activities)\/index\.ts$/.test(path),
    find: ({ path }) => (/(^|\/)index\.[cm]?[jt]s$/.test(path) ? [0] : []),
  },
  {
    name: 'scripts-are-named-in-kebab-case',
    holdsFor: isScript,
    find: ({ path }) => (isKebabPath(path) ? [] : [0]),
  },
  {
    name: 'no-check-is-switched-off-in-place',
    holdsFor: isScript,
    find: (file) => linesOfComments(file, /@ts-(ignore|nocheck)|eslint-disable|biome-ignore|\bTODO\b|\bFIXME\b/),
  },
];

/** All findings in these files; `looked` counts the pairs of file and rule that were looked at. */
export function checkSources(files: readonly RepositoryFile[]): {
  readonly findings: readonly Finding[];
  readonly looked: ReadonlyMap<string, number>;
} {
  const looked = new Map<string, number>();
  const findings = sourceRules.flatMap((rule) => {
    const held = files.filter(({ path }) => rule.holdsFor(path));
    looked.set(rule.name, held.length);
    return held.flatMap((file) => rule.find(file).map((line) => ({ rule: rule.name, path: file.path, line })));
  });
  return { findings, looked };
}

/** `process.env`, `process['env']`, `const { env } = process`, `import { env } from 'node:process'`. */
function readsEnvironment(node: ts.Node): boolean {
  if (accessedName(node) === 'env') {
    const { expression } = node as ts.PropertyAccessExpression;
    return isProcess(expression);
  }
  if (ts.isVariableDeclaration(node) && node.initializer !== undefined && isProcess(node.initializer)) {
    return ts.isObjectBindingPattern(node.name) && node.name.elements.some((element) => boundName(element) === 'env');
  }
  if (!ts.isImportDeclaration(node) || !isText(node.moduleSpecifier, 'node:process', 'process')) return false;
  const named = node.importClause?.namedBindings;
  if (named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.some(({ name, propertyName }) => (propertyName ?? name).text === 'env');
}

/** Any use of a member `reveal`, called or taken along; its declaration is none. */
function revealsSecret(node: ts.Node): boolean {
  return accessedName(node) === 'reveal' || (ts.isBindingElement(node) && boundName(node) === 'reveal');
}

function accessedName(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node)) return node.name.text;
  if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
    return node.argumentExpression.text;
  }
  return null;
}

function boundName({ propertyName, name }: ts.BindingElement): string | null {
  const bound = propertyName ?? name;
  return ts.isIdentifier(bound) || ts.isStringLiteralLike(bound) ? bound.text : null;
}

/** `process`, `globalThis.process`. */
function isProcess(node: ts.Expression): boolean {
  return (ts.isIdentifier(node) && node.text === 'process') || accessedName(node) === 'process';
}

function isText(node: ts.Node, ...texts: readonly string[]): boolean {
  return ts.isStringLiteralLike(node) && texts.includes(node.text);
}

function linesWhere(file: RepositoryFile, isWrong: (node: ts.Node) => boolean): readonly number[] {
  const source = parseSource(file);
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    if (isWrong(node)) lines.push(source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

function linesOfComments(file: RepositoryFile, pattern: RegExp): readonly number[] {
  const source = parseSource(file);
  const starts = new Set<number>();
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of [
      ...(ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(file.text, node.getEnd()) ?? []),
    ]) {
      if (pattern.test(file.text.slice(pos, end))) starts.add(pos);
    }
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return [...starts].map((pos) => source.getLineAndCharacterOfPosition(pos).line + 1);
}

function parseSource({ path, text }: RepositoryFile): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

/** Every folder and the file up to its first dot; files of tools begin with one. */
function isKebabPath(path: string): boolean {
  const segments = path.split('/').map((segment) => segment.replace(/^\./, ''));
  const file = segments.pop() ?? '';
  return [...segments, file.slice(0, file.indexOf('.'))].every((segment) => KEBAB.test(segment));
}
