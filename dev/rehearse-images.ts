/**
 * `npm run rehearse:images [-- FOLDER]`: does what the Dockerfile says without Docker. Each stage becomes a folder, its
 * COPY and RUN instructions are carried out there; then the programs of the images are started with an empty
 * environment and must say what they lack. What only an image can have (system packages, users) is left out. With a
 * folder the stages are kept there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Instruction, readDockerfile } from './check/dockerfile.ts';

const EX_CONFIG = 78;

const root = fileURLToPath(new URL('..', import.meta.url));
const [, , kept] = process.argv;
const place = kept === undefined ? mkdtempSync(join(tmpdir(), 'evergrant-images-')) : resolve(kept);
const dockerfile = readDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
const allowed = readIgnore();
const folderOf = (stage: string): string => join(place, stage);

try {
  for (const stage of dockerfile.names) makeStage(stage);
  for (const target of ['api', 'worker', 'cli', 'sandbox']) tryTarget(target);
} finally {
  if (kept === undefined) rmSync(place, { recursive: true, force: true });
}

function makeStage(name: string): void {
  const [stage] = dockerfile.chain(name).slice(-1);
  if (stage === undefined) return;
  const folder = folderOf(name);
  if (existsSync(folderOf(stage.from)))
    cpSync(folderOf(stage.from), folder, { recursive: true, verbatimSymlinks: true });
  else mkdirSync(folder, { recursive: true });
  for (const instruction of stage.instructions) carryOut(instruction, folder);
}

function carryOut({ name, value }: Instruction, folder: string): void {
  if (name === 'COPY') copy(value, folder);
  if (name !== 'RUN') return;
  const command = value.replace(/^(--\S+ )+/, '');
  if (/^(apt-get|install) /.test(command)) return;
  console.log(`${basename(folder)}: ${command}`);
  const { status } = spawnSync('sh', ['-ec', command], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${basename(folder)}: exit code ${status} of: ${command}`);
}

/** From another stage, or of the tracked files, the ones that .dockerignore lets through. */
function copy(value: string, folder: string): void {
  const words = value.split(' ');
  const from = words[0]?.startsWith('--from=') === true ? words.shift()?.slice('--from='.length) : undefined;
  const target = words.pop() ?? '.';
  for (const word of words) {
    if (from !== undefined) {
      const source = join(folderOf(from), word.replace(/^\/app\/?/, ''));
      cpSync(source, join(folder, target), { recursive: true, verbatimSymlinks: true });
      continue;
    }
    const found = word === '.' ? allowed : allowed.filter((path) => path === word);
    if (found.length === 0) throw new Error(`COPY ${value}: .dockerignore lets nothing through`);
    for (const path of found) {
      const into = join(folder, target, word === '.' ? path : basename(path));
      mkdirSync(dirname(into), { recursive: true });
      cpSync(join(root, path), into);
    }
  }
}

/** Everything is ignored but what is named after an exclamation mark. */
function readIgnore(): readonly string[] {
  const listed = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).stdout.split('\0');
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  const named = lines.flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
  const isNamed = (path: string): boolean =>
    named.some((name) =>
      name.includes('*')
        ? new RegExp(`^${name.replaceAll('.', '\\.').replace('*', '[^/]*')}$`).test(path)
        : path === name || path.startsWith(`${name}/`),
    );
  return listed.filter((path) => path !== '' && existsSync(join(root, path)) && isNamed(path));
}

/** With nothing set, a program must not start, and say what it needs. The sandbox needs nothing. */
function tryTarget(target: string): void {
  const [command = '', ...args] = JSON.parse(dockerfile.last(target, 'ENTRYPOINT') ?? '[]') as readonly string[];
  const environment = { PATH: process.env.PATH ?? '', ...dockerfile.environmentOf(target) };
  const wanted = { cli: ['connections', 'list', 'demo'], sandbox: [] }[target] ?? [];
  const wrong = target === 'sandbox' ? { SANDBOX_PORT: 'none' } : {};
  const { status, stderr } = spawnSync(command, [...args, ...wanted], {
    cwd: folderOf(target),
    env: { ...environment, ...wrong },
    encoding: 'utf8',
    timeout: 30_000,
  });
  const first = stderr.split('\n').slice(0, 2).join(' ').trim();
  console.log(`${target}: exit code ${status}: ${first}`);
  if (status !== EX_CONFIG) throw new Error(`${target} ended with ${status} instead of ${EX_CONFIG}:\n${stderr}`);
}
