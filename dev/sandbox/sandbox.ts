/**
 * The Concur sandbox as one value: `createSandbox` starts it on a port and gives the hands on it. It is the double of
 * every test that talks to Concur, and the whole of `npm run sandbox`.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWK } from 'jose';
import type { Clock, Rng } from '../../core/ports.ts';
import { CallLog } from './call-log.ts';
import { SandboxControl } from './control.ts';
import { seedDemoCompanies } from './demo.ts';
import { FaultRegistry } from './fault-registry.ts';
import { ConcurModel } from './model/concur-model.ts';
import { SandboxProblem } from './model/problem.ts';
import type { NewApp } from './model/directory.ts';
import { GLZ } from './model/types.ts';
import type { Settings } from './model/types.ts';
import type { PartnerConfig } from './pages/partner-backend.ts';
import { createConcurService } from './protocol/concur-service.ts';
import { createSandboxApp } from './server.ts';
import { createSigningKey } from './signing-key.ts';
import { createStateKeeper, loadState } from './state-file.ts';

export interface SandboxOptions {
  /** 0 (the default) takes a free port. */
  readonly port?: number;
  /** `127.0.0.1` by default. */
  readonly host?: string;
  /** How others reach it, where that is not `http://{host}:{port}`: base URIs and geolocations begin with it. */
  readonly publicUrl?: string | undefined;
  /** Names; `glz, us2, eu2, apj1` by default. */
  readonly dataCentres?: readonly string[];
  /** Names of the instances of the flow of before 2017; `www, eu1, implementation, eu1imp` by default. */
  readonly legacyInstances?: readonly string[];
  readonly settings?: Partial<Settings>;
  /** `demo`: the demo companies, unless the state file has some. */
  readonly seed?: 'demo' | 'none';
  /** Apps to know from the start; those of the state file are brought up to date. */
  readonly apps?: readonly NewApp[];
  /** Everything on file survives a restart in this file. */
  readonly stateFile?: string | undefined;
  /** Lets `/partner/sign-in` and `/partner/sign-up` play a partner's own site. */
  readonly partner?: PartnerConfig | undefined;
  readonly clock?: Pick<Clock, 'now'>;
  /** Private RS256 JWK for id_tokens; without it one is made at first need (about 100 ms). */
  readonly signingJwk?: JWK;
  readonly rng?: Rng;
  /** How many calls the log keeps; 10,000 by default. */
  readonly callLimit?: number;
  /** How many issued secrets are remembered; all of them by default. */
  readonly secretLimit?: number;
  /** Hears of the sandbox's own bugs; standard error by default. */
  readonly log?: (error: unknown) => void;
}

const randomness: Rng = {
  uuid: () => randomUUID(),
  token: (bytes) => randomBytes(bytes).toString('base64url'),
};

export class Sandbox extends SandboxControl {
  /** `http://127.0.0.1:{port}`: the pages and `/__sandbox`. */
  readonly url: string;
  /** To be used as `CONCUR_BASE_URIS`. */
  readonly baseUris: Readonly<Record<string, string>>;
  /** To be used as `CONCUR_LEGACY_BASE_URIS`. */
  readonly legacyBaseUris: Readonly<Record<string, string>>;
  /** The model below, for what the methods do not offer. */
  readonly model: ConcurModel;
  readonly #close: () => Promise<void>;

  constructor(
    parts: ConstructorParameters<typeof SandboxControl>[0] & {
      readonly url: string;
      readonly close: () => Promise<void>;
    },
  ) {
    super(parts);
    this.url = parts.url;
    this.model = parts.model;
    this.baseUris = parts.model.baseUris(parts.model.dataCentres);
    this.legacyBaseUris = parts.model.baseUris(parts.model.legacyInstances);
    this.#close = parts.close;
  }

  /** Ends every call and the server; what is on file is saved first. */
  close(): Promise<void> {
    return this.#close();
  }
}

/** Starts a sandbox. Throws `SandboxProblem` when the state file is none, and Node's error when the port is taken. */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const host = options.host ?? '127.0.0.1';
  const rng = options.rng ?? randomness;
  let url = '';
  const model = new ConcurModel({
    clock: options.clock ?? { now: () => Date.now() },
    rng,
    dataCentres: options.dataCentres ?? [GLZ, 'us2', 'eu2', 'apj1'],
    legacyInstances: options.legacyInstances ?? ['www', 'eu1', 'implementation', 'eu1imp'],
    baseUri: (dataCentre) => `${url}/${dataCentre}`,
    settings: options.settings,
    secretLimit: options.secretLimit,
  });
  const stored = options.stateFile === undefined ? null : await loadState(options.stateFile);
  if (stored !== null) model.restore(stored.concur);
  else if (options.seed === 'demo') seedDemoCompanies(model);
  for (const app of options.apps ?? []) model.directory.putApp(app);

  const signingKey = createSigningKey(stored?.signingKey ?? options.signingJwk ?? null);
  const keeper = options.stateFile === undefined ? null : createStateKeeper(options.stateFile, model, signingKey);
  const persist = async (): Promise<void> => keeper?.save();
  await persist().catch((error: Error) => {
    throw new SandboxProblem('invalid', `state file ${options.stateFile} cannot be written: ${error.message}`);
  });
  const faults = new FaultRegistry();
  const callLog = new CallLog({ limit: options.callLimit ?? 10_000, now: () => model.now() });
  const closing = new AbortController();

  const parts = { model, signingKey, faults, callLog };
  const control = new SandboxControl(parts);
  const app = createSandboxApp({
    ...parts,
    control,
    service: createConcurService(model, signingKey),
    signer: signingKey,
    persist,
    closing: closing.signal,
    rng,
    partner: options.partner ?? null,
    log: options.log ?? ((error) => console.error(error)),
  });
  const handle = app.callback();
  const server = createServer((request, response) => void handle(request, response));
  await listen(server, options.port ?? 0, host);
  url = (options.publicUrl ?? localUrl(server)).replace(/\/+$/, '');

  return new Sandbox({
    ...parts,
    url,
    close: async () => {
      closing.abort();
      faults.clear();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await persist();
    },
  });
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function localUrl(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  if (address === '0.0.0.0' || address === '::') return `http://localhost:${port}`;
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}
