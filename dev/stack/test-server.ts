/** Where Temporal's time-skipping test server comes from: it lets the suites live through a year in seconds. */
import { access, chmod, constants, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { withLock } from './pid-lock.ts';
import { findProgram } from './program-source.ts';
import type { Found, ProgramSource } from './program-source.ts';
import { runCommand } from './run-command.ts';
import { downloadBySdk } from './sdk-download.ts';
import type { ResolveOptions } from './temporal-cli.ts';

/** Of Temporal's Java SDK, which the server is part of. */
export const TEST_SERVER_VERSION = '1.38.0';
const COORDINATES = `io.temporal:temporal-test-server:${TEST_SERVER_VERSION}`;
const MAVEN_MS = 10 * 60_000;

/**
 * Path of a time-skipping server, as `TestWorkflowEnvironment.createTimeSkipping` takes it: `TEMPORAL_TEST_SERVER_PATH`,
 * the user's cache, the SDK's download, Maven Central. Throws `ProgramNotFoundError`, which names all of them.
 */
export async function resolveTestServer({ env, report, signal }: ResolveOptions): Promise<string> {
  const folder = join(cacheFolder(env), `temporal-test-server-${TEST_SERVER_VERSION}`);
  const cached = join(folder, 'temporal-test-server');
  const tell = (line: string): void => report(`Temporal test server ${TEST_SERVER_VERSION}: ${line}`);
  const given: ProgramSource = {
    name: 'TEMPORAL_TEST_SERVER_PATH',
    find: () => executable(env.TEMPORAL_TEST_SERVER_PATH),
  };
  const inCache: ProgramSource = { name: `the cache (${cached})`, find: () => executable(cached) };
  for (const source of [given, inCache]) {
    const found = await source.find();
    if ('path' in found) return found.path;
  }
  const fetch: readonly ProgramSource[] = [
    {
      name: "the SDK's download (temporal.download)",
      find: () => {
        tell('not on this machine, downloading it');
        const version = `v${TEST_SERVER_VERSION}`;
        return downloadBySdk({ kind: 'test-server', version, target: cached, env, report: tell, signal });
      },
    },
    { name: `${COORDINATES} from Maven Central`, find: () => copyFromMaven(folder, cached, tell, signal) },
  ];
  const advice =
    'Set TEMPORAL_TEST_SERVER_PATH to the program, or install Java 11 or newer and Maven (mvn) and try again.';
  const sources = [given, inCache, ...fetch];
  return await withLock(`${folder}.lock`, () => findProgram("Temporal's test server", sources, advice), {
    onWait: (holder) => tell(`waiting for process ${holder}, which is fetching it`),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function executable(path: string | undefined): Promise<Found> {
  if (path === undefined || path === '') return { why: 'not set' };
  try {
    await access(path, constants.X_OK);
    return { path };
  } catch {
    return { why: `there is no program ${path}` };
  }
}

/** The server's jars and a wrapper around them, made beside their place and moved there when they are whole. */
async function copyFromMaven(
  folder: string,
  wrapper: string,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<Found> {
  for (const [program, flag] of [
    ['java', '-version'],
    ['mvn', '--version'],
  ] as const) {
    if (!(await canRun(program, flag))) return { why: `there is no ${program} on PATH` };
  }
  await mkdir(dirname(folder), { recursive: true });
  const draft = await mkdtemp(`${folder}.`);
  report('fetching it with Maven');
  try {
    await writeFile(join(draft, 'pom.xml'), projectFile());
    const goals = ['-B', '-ntp', 'dependency:copy-dependencies', `-DoutputDirectory=${join(draft, 'lib')}`];
    const { code, tail } = await runCommand('mvn', goals, { cwd: draft, timeoutMs: MAVEN_MS, signal });
    if (code !== 0) return { why: `mvn failed:\n${tail}` };
    await writeFile(join(draft, 'temporal-test-server'), wrapperScript());
    await chmod(join(draft, 'temporal-test-server'), 0o755);
    await chmod(draft, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
    return { path: wrapper };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function canRun(program: string, flag: string): Promise<boolean> {
  try {
    return (await runCommand(program, [flag])).code === 0;
  } catch {
    return false;
  }
}

/** The second dependency keeps SLF4J from complaining on standard error that nobody listens. */
function projectFile(): string {
  const [group, artifact, version] = COORDINATES.split(':');
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>evergrant</groupId><artifactId>test-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
}

/**
 * `exec`, so that the SDK, which ends what it started, ends Java. The flags bring the start from several seconds to less than one:
 * the SDK waits for five.
 */
function wrapperScript(): string {
  return `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec java -XX:TieredStopAtLevel=1 -Xshare:auto -cp "$here/lib/*" io.temporal.testserver.TestServer "$@"
`;
}
