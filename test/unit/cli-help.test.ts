import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { wantsColors } from '../../cli/colors.ts';
import { printFacts, printTable } from '../../cli/print.ts';
import { runCli } from '../../cli/run.ts';
import type { Terminal } from '../../cli/terminal.ts';

function createTerminal({ hasColors = false } = {}) {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    hasColors,
    input: Readable.from([]),
    user: 'tester',
  };
  return { terminal, out: () => out, err: () => err };
}

async function run(...argv: string[]) {
  const { terminal, out, err } = createTerminal();
  const code = await runCli(argv, { EVERGRANT_MODE: 'production' }, terminal);
  return { code, out: out(), err: err() };
}

/** Names under `Commands:` of a help text. */
function namesIn(help: string): readonly string[] {
  const [, list = ''] = help.split('Commands:\n');
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
}

/** As the contract of the command line has them. */
const verbs: Readonly<Record<string, readonly string[]>> = {
  connections: [
    'list',
    'show',
    'connect',
    'import',
    'export',
    'refresh',
    'revoke',
    'pause',
    'resume',
    'revive',
    'events',
  ],
  apps: ['list', 'show', 'release', 'secret-add', 'secret-retire'],
  clients: ['create', 'list', 'revoke'],
  codes: ['create', 'list', 'revoke'],
  keys: ['status', 'rotate'],
};

describe('the help of the command line', () => {
  it('is there on every level, with --json for every verb', async () => {
    const top = await run('-h');
    expect([top.code, top.err]).toEqual([0, '']);
    const nouns = namesIn(top.out);
    expect(nouns).toEqual(expect.arrayContaining([...Object.keys(verbs), 'reconcile', 'migrate']));
    let seen = 0;
    for (const noun of nouns) {
      const { code, out } = await run(noun, '-h');
      expect(code).toBe(0);
      const found = namesIn(out);
      expect(found).toEqual(expect.arrayContaining([...(verbs[noun] ?? [])]));
      const paths = found.length === 0 ? [[noun]] : found.map((verb) => [noun, verb]);
      for (const path of paths) {
        const help = await run(...path, '--help');
        expect([path, help.code, help.err]).toEqual([path, 0, '']);
        expect(help.out).toContain('--json');
        expect(help.out).not.toContain('\u001b');
        seen += 1;
      }
    }
    expect(seen).toBeGreaterThan(25);
  });

  it('suggests what may have been meant, and exits with 2', async () => {
    expect(await run('conections')).toMatchObject({ code: 2, err: expect.stringContaining('connections?') });
    expect(await run('connections', 'improt')).toMatchObject({ code: 2, err: expect.stringContaining('import?') });
    expect(await run('connections', 'list', '--stat', 'x')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--state?'),
    });
    expect((await run()).code).toBe(2);
    expect((await run('connections')).code).toBe(2);
  });
});

describe('colours', () => {
  it('are for a terminal alone, and not for who wants none', () => {
    expect(wantsColors({ isTTY: true }, {})).toBe(true);
    expect(wantsColors({}, {})).toBe(false);
    expect(wantsColors({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColors({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(wantsColors({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
  });

  it('tell states apart without moving a column', () => {
    const table = (hasColors: boolean): string => {
      const { terminal, out } = createTerminal({ hasColors });
      printTable(
        terminal,
        ['state', 'company'],
        [
          ['active', 'Aurora'],
          ['reauthorization-required', null],
        ],
      );
      printFacts(terminal, [['state', 'suspended']]);
      return out();
    };
    const [plain, coloured] = [table(false), table(true)];
    expect(plain).toBe(
      'STATE                     COMPANY\nactive                    Aurora\nreauthorization-required  -\nstate  suspended\n',
    );
    for (const code of [
      '\u001b[32mactive',
      '\u001b[31mreauthorization-required',
      '\u001b[33msuspended',
      '\u001b[1mSTATE',
    ]) {
      expect(coloured).toContain(code);
    }
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain);
  });

  it('are not what a name from outside can ask for', () => {
    const { terminal, out } = createTerminal({ hasColors: true });
    printTable(terminal, ['company'], [['\u001b[31mEvil']]);
    expect(out()).toContain('\uFFFD[31mEvil');
  });
});
