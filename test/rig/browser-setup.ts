/**
 * Vitest's global set-up of the suites that look at pages: `TEST_BROWSER_PATH`, or the Chromium that npm brings, unpacked
 * once per machine into the user's cache.
 */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { cacheFolder } from '../../dev/stack/cache-folder.ts';
import { withLock } from '../../dev/stack/pid-lock.ts';
import { runCommand } from '../../dev/stack/run-command.ts';
import { report } from './per-run.ts';
import type { ProvidedBrowser } from './provided.ts';

const PACKAGE = '@sparticuz/chromium';
const UNPACK_MS = 5 * 60_000;
const ANSWER_MS = 30_000;

export async function setup(project: TestProject): Promise<void> {
  project.provide('browser', await resolveBrowser(process.env));
}

/** A Chromium that runs, with the environment that it needs. Throws with what to install or set where there is none. */
export async function resolveBrowser(env: NodeJS.ProcessEnv): Promise<ProvidedBrowser> {
  const given = env.TEST_BROWSER_PATH;
  if (given !== undefined && given !== '') return await working([{ program: given, env: {} }]);
  const folder = join(cacheFolder(env), `chromium-${packageVersion()}`);
  const program = join(folder, 'chromium');
  if (!(await isThere(program))) await withLock(`${folder}.lock`, () => unpack(folder, program));
  // Fonts of its own, so that pages look alike on every machine, also on one that has none.
  const fonts = { FONTCONFIG_PATH: join(folder, 'fonts') };
  // The libraries that a slim system lacks come along, but the system's own go first.
  const libraries = { ...fonts, LD_LIBRARY_PATH: join(folder, 'al2023', 'lib') };
  return await working([
    { program, env: fonts },
    { program, env: libraries },
  ]);
}

async function unpack(folder: string, program: string): Promise<void> {
  if (await isThere(program)) return;
  report('Unpacking the browser');
  await mkdir(dirname(folder), { recursive: true });
  const draft = await mkdtemp(`${folder}.`);
  try {
    // The package unpacks into the temporary folder, with its libraries only where it believes to be in a certain cloud.
    const env = { ...process.env, TMPDIR: draft, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x' };
    const script = `import(${JSON.stringify(PACKAGE)}).then((chromium) => chromium.default.executablePath())`;
    const root = dirname(createRequire(import.meta.url).resolve('../../package.json'));
    const { code, tail } = await runCommand(process.execPath, ['-e', script], { cwd: root, env, timeoutMs: UNPACK_MS });
    if (code !== 0) throw new Error(`The browser could not be unpacked:\n${tail}`);
    await writeFile(join(draft, 'fonts', 'fonts.conf'), fontsConfiguration(folder));
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The package's own names folders of that cloud. */
function fontsConfiguration(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts', 'fonts')}</dir>
  <cachedir>${join(folder, 'fonts-cache')}</cachedir>
</fontconfig>
`;
}

async function working(candidates: readonly ProvidedBrowser[]): Promise<ProvidedBrowser> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    try {
      const env = { ...process.env, ...candidate.env };
      const { code, tail } = await runCommand(candidate.program, ['--version'], { env, timeoutMs: ANSWER_MS });
      if (code === 0) return candidate;
      reasons.push(tail);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(
    `The tests in the browser need Chromium, and this one does not run (${candidates[0]?.program ?? ''}):\n` +
      `${reasons.join('\n')}\nSet TEST_BROWSER_PATH to a Chromium or Chrome of 147 or newer.`,
  );
}

function packageVersion(): string {
  const require = createRequire(import.meta.url);
  const entry = require.resolve(PACKAGE);
  const root = entry.slice(0, entry.lastIndexOf(PACKAGE) + PACKAGE.length);
  return (require(`${root}/package.json`) as { readonly version: string }).version;
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
