import { searchAttributes } from '../../workflows/contract.ts';
import { Part } from './part.ts';
import type { PartOptions } from './part.ts';
import { plainEnvironment } from './plain-environment.ts';
import { LOOPBACK } from './ports.ts';

const UP_MS = 60_000;
const GRACE_MS = 2_000;

export interface TemporalOptions {
  /** The `temporal` program. */
  readonly program: string;
  readonly port: number;
  /** Null: without the UI. */
  readonly uiPort: number | null;
  /** Null: in memory. */
  readonly databaseFile: string | null;
  readonly namespace: string;
  readonly cwd: string;
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Starts the process; by default a plain {@link Part}. */
  readonly spawn?: (options: PartOptions) => Part;
}

export interface EmbeddedTemporal {
  readonly part: Part;
  /** `host:port` of the frontend. */
  readonly address: string;
  readonly uiUrl: string | null;
  stop(): Promise<void>;
}

/** Temporal's development server with our search attributes. Throws `PartFailedError`. */
export async function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal> {
  const { program, port, uiPort, databaseFile, namespace, cwd, onLine, signal } = options;
  const spawn = options.spawn ?? ((partOptions: PartOptions) => new Part(partOptions));
  signal?.throwIfAborted();
  const part = spawn({
    name: 'Temporal',
    command: program,
    args: [
      'server',
      'start-dev',
      ...['--ip', LOOPBACK, '--port', String(port), '--namespace', namespace, '--log-level', 'warn'],
      ...(uiPort === null ? ['--headless'] : ['--ui-port', String(uiPort)]),
      ...(databaseFile === null ? [] : ['--db-filename', databaseFile]),
      ...Object.entries(dynamicConfig).flatMap(([name, value]) => ['--dynamic-config-value', `${name}=${value}`]),
      ...Object.entries(searchAttributeTypes()).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
    ],
    cwd,
    env: plainEnvironment(),
    graceMs: GRACE_MS,
    ...(onLine === undefined ? {} : { onLine }),
  });
  try {
    // Said once the frontend answers and the namespaces and search attributes are there.
    await part.says((line) => (/^\s*(Temporal )?Server:\s/.test(line) ? true : null), UP_MS);
  } catch (error) {
    await part.stop();
    throw error;
  }
  return {
    part,
    address: `${LOOPBACK}:${port}`,
    uiUrl: uiPort === null ? null : `http://${LOOPBACK}:${uiPort}`,
    stop: () => part.stop(),
  };
}

/** Without the new matcher, the priority of tasks is not heeded and callers who wait stand behind background work. */
const dynamicConfig = { 'matching.useNewMatcher': 'true' } as const;

/** As Temporal names their types. */
export function searchAttributeTypes(): Readonly<Record<string, 'Keyword' | 'Datetime'>> {
  return Object.fromEntries(
    Object.values(searchAttributes).map((name) => [
      name,
      name === searchAttributes.stateSince ? 'Datetime' : 'Keyword',
    ]),
  );
}
