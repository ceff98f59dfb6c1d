/** The statements about types in this folder hold, and a false one would be told. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const root = join(folder, '../..');
const statements = readdirSync(folder).filter((name) => name.endsWith('.test-d.ts'));

interface Plant {
  readonly title: string;
  /** A file of this folder, and a text in it that is replaced. */
  readonly file: string;
  readonly replaced: string;
  readonly by: string;
}

const planted: readonly Plant[] = [
  {
    title: 'a secret were a text',
    file: 'secret.test-d.ts',
    replaced: 'expectTypeOf<Secret>().not.toExtend<string>();',
    by: 'expectTypeOf<Secret>().toExtend<string>();',
  },
  {
    title: 'a secret could be a search parameter',
    file: 'secret.test-d.ts',
    replaced: "url.searchParams.set('token', new Secret('x'));",
    by: "url.searchParams.set('token', 'x');",
  },
  {
    title: 'a result held a secret',
    file: 'temporal-border.test-d.ts',
    replaced: 'expectTypeOf<Outputs>().toExtend<PlainJson<Outputs>>();',
    by: "type Leaky = Outputs & { readonly leak: import('../../core/secret.ts').Secret };\nexpectTypeOf<Leaky>().toExtend<PlainJson<Leaky>>();",
  },
  {
    title: 'a result held a date',
    file: 'temporal-border.test-d.ts',
    replaced: 'expectTypeOf<contract.CommandResult>().toExtend<PlainJson<contract.CommandResult>>();',
    by: 'type Dated = contract.CommandResult & { readonly at: Date };\nexpectTypeOf<Dated>().toExtend<PlainJson<Dated>>();',
  },
  {
    title: 'a state were forgotten by whoever decides about all of them',
    file: 'states.test-d.ts',
    replaced: "    case 'paused':\n",
    by: '',
  },
  {
    title: 'there were a state less',
    file: 'states.test-d.ts',
    replaced: "  | 'suspended'\n",
    by: '',
  },
];

describe('the statements about types', () => {
  let compile: (replacements: Readonly<Record<string, string>>) => readonly string[];
  beforeAll(() => {
    compile = createCompiler();
  });

  it('are there', () => {
    expect(statements.length).toBeGreaterThanOrEqual(3);
  });

  it('hold', () => {
    expect(compile({})).toEqual([]);
  });

  it.each(planted)('would be told if $title', ({ file, replaced, by }) => {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text).toContain(replaced);
    expect(compile({ [join(folder, file)]: text.replace(replaced, by) })).not.toEqual([]);
  });
});

/** Compiles the statements, or those alone whose text is replaced; what was read once is kept. */
function createCompiler(): (replacements: Readonly<Record<string, string>>) => readonly string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const names = statements.map((name) => join(folder, name));
  const host = ts.createCompilerHost(options);
  const kept = new Map<string, ts.SourceFile | undefined>();
  let before: ts.Program | undefined;
  return (replacements) => {
    const program = ts.createProgram(
      names,
      options,
      {
        ...host,
        getSourceFile: (name, languageVersion, ...rest) => {
          const replacement = replacements[name];
          if (replacement !== undefined) return ts.createSourceFile(name, replacement, languageVersion);
          if (!kept.has(name)) kept.set(name, host.getSourceFile(name, languageVersion, ...rest));
          return kept.get(name);
        },
      },
      before,
    );
    before = program;
    const planted = names.filter((name) => name in replacements);
    return (planted.length === 0 ? names : planted).flatMap((name) => {
      const diagnostics = program.getSemanticDiagnostics(program.getSourceFile(name));
      return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    });
  };
}
