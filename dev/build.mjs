/**
 * `npm run build`: what the images run, in `dist/`: compiled code, the files it reads, the workflow bundle made ahead.
 * With `sandbox` as its argument the Concur sandbox instead, in `dist-sandbox/`. `--unchecked` leaves the check of the
 * types out, which takes most of the time.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { argv, execPath, exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const builds = {
  production: { project: 'tsconfig.build.json', output: 'dist' },
  sandbox: { project: 'tsconfig.sandbox.json', output: 'dist-sandbox' },
};

/** What code reads beside itself. */
const assets = new Set(['.sql', '.css', '.svg', '.js', '.json']);

const [wanted = 'production', ...flags] = argv.slice(2);
const build = builds[wanted];
if (build === undefined) {
  stdout.write(`There is no build ${wanted}. There are: ${Object.keys(builds).join(', ')}\n`);
  exit(2);
}
const output = join(root, build.output);
rmSync(output, { recursive: true, force: true });
compile(build.project);
const { include } = JSON.parse(readFileSync(join(root, build.project), 'utf8'));
const copied = include.reduce((count, folder) => count + copyAssets(folder), 0);
stdout.write(`${build.output}: compiled, ${copied} other files copied\n`);
if (wanted === 'production') await writeWorkflowBundle();

function compile(project) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', join(root, project), ...(flags.includes('--unchecked') ? ['--noCheck'] : [])];
  const { status } = spawnSync(execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) exit(1);
}

function copyAssets(folder) {
  const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && assets.has(extname(entry.name)),
  );
  for (const { parentPath, path, name } of files) {
    const source = join(parentPath ?? path, name);
    const target = join(output, source.slice(root.length));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(source, target);
  }
  return files.length;
}

async function writeWorkflowBundle() {
  const { writeBundle } = await import(join(output, 'worker/bundle.js'));
  stdout.write(`${(await writeBundle()).slice(root.length + 1)}: the workflow bundle\n`);
}
