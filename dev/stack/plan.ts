/** What a start is going to bring up, and where: decided, and refused, before anything is started. */
import type { Settings } from '../../runtime/settings.ts';
import { LOOPBACK, freePort, isPortFree } from './ports.ts';
import type { RememberedPorts } from './remembered-ports.ts';
import { StackProblem } from './stack-problem.ts';

const SANDBOX_PORT = 9_400;

export interface Plan {
  readonly apiPort: number;
  readonly publicUrl: string;
  readonly workerPort: number;
  /** Null where `DATABASE_URL` is given. */
  readonly postgresPort: number | null;
  /** Null where `TEMPORAL_ADDRESS` is given. */
  readonly temporal: { readonly port: number; readonly uiPort: number } | null;
  /** Null where `CONCUR_BASE_URIS` is given. */
  readonly sandboxPort: number | null;
}

/** Throws {@link StackProblem} when a port that was asked for is taken, naming the variable to set. */
export async function makePlan(
  settings: Settings,
  variables: NodeJS.ProcessEnv,
  remembered: RememberedPorts,
  report: (line: string) => void,
): Promise<Plan> {
  const isGiven = (name: string): boolean => (variables[name] ?? '').trim() !== '';
  const taken: string[] = [];
  const claim = async (name: string, port: number, host: string = LOOPBACK): Promise<void> => {
    if (port === 0 || (await isPortFree(port, host))) return;
    taken.push(
      `  ${name}: port ${port} of ${host} is taken; set ${name} to a free one${isGiven(name) ? '' : ` (${port} is the default)`}.`,
    );
  };
  await claim('PORT', settings.port, settings.host);
  if (settings.opsPort !== null && settings.opsPort !== settings.port) {
    await claim('OPS_PORT', settings.opsPort, settings.host);
  }
  if (settings.workerPort !== null) await claim('WORKER_PORT', settings.workerPort, settings.host);
  const embedsTemporal = settings.temporal.address === null;
  if (embedsTemporal) await claim('TEMPORAL_UI_PORT', settings.temporalUiPort);
  const embedsSandbox = !isGiven('CONCUR_BASE_URIS');
  const askedSandboxPort = isGiven('SANDBOX_PORT') ? Number(variables.SANDBOX_PORT) : null;
  if (embedsSandbox && askedSandboxPort !== null && askedSandboxPort > 0 && askedSandboxPort <= 65_535) {
    await claim('SANDBOX_PORT', askedSandboxPort);
  }
  if (taken.length > 0) throw new StackProblem(`Evergrant can't start:\n${taken.join('\n')}`);

  const apiPort = settings.port === 0 ? await freePort(settings.host) : settings.port;
  const plan: Plan = {
    apiPort,
    publicUrl: isGiven('PUBLIC_URL') ? settings.publicUrl : `http://localhost:${apiPort}`,
    workerPort: settings.workerPort ?? (await remembered.choose('worker')),
    postgresPort: settings.databaseUrl === null ? await remembered.choose('postgres') : null,
    temporal: embedsTemporal
      ? { port: await remembered.choose('temporal'), uiPort: settings.temporalUiPort || (await freePort()) }
      : null,
    sandboxPort: embedsSandbox ? await sandboxPort(askedSandboxPort, remembered, report) : null,
  };
  await remembered.save();
  return plan;
}

/** What is stored of a connection names the sandbox's address: the port of last time goes first. */
async function sandboxPort(
  asked: number | null,
  remembered: RememberedPorts,
  report: (line: string) => void,
): Promise<number> {
  if (asked !== null && asked !== 0) return asked;
  const before = remembered.known('sandbox');
  const port = await remembered.choose('sandbox', asked === 0 ? [] : [SANDBOX_PORT]);
  if (before !== undefined && before !== port) {
    report(
      `Port ${before}, which the sandbox had before, is taken: connections made then can't be refreshed until it is free again.`,
    );
  }
  return port;
}
