/**
 * `npm run check`: every script of package.json whose name begins with `check:`, each to its end whatever the others
 * say. Ends with one line per check; exit code 1 when one failed.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { execPath, exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

/** The checks are busy with one core each. */
const AT_ONCE = 2;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const names = Object.keys(scripts).filter((name) => name.startsWith('check:'));
if (names.length === 0) throw new Error('package.json has no check:* script: nothing was checked');

const results = [];
const queue = [...names];
await Promise.all(Array.from({ length: AT_ONCE }, work));

stdout.write('\n');
for (const { name, code, seconds } of results.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))) {
  stdout.write(`${code === 0 ? 'passed' : 'FAILED'}  ${name}  (${seconds.toFixed(1)} s)\n`);
}
exit(results.every(({ code }) => code === 0) ? 0 : 1);

async function work() {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) results.push(await run(name));
}

function run(name) {
  const startedAtMs = Date.now();
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [execPath, [npm]];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, 'run', '--silent', name], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => {
      // In one piece, so that two checks' lines don't mix.
      if (code !== 0) stdout.write(`\n--- ${name} ---\n${output}`);
      resolve({ name, code, seconds: (Date.now() - startedAtMs) / 1000 });
    });
  });
}
