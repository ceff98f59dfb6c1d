/** Stands where Temporal is: writes down what the API asks for, and does what the test has set. */
import type { LifecycleGateway } from '../../api/deps.ts';
import { AppError } from '../../core/errors.ts';

export interface GatewayCall {
  readonly name: string;
  readonly principal: string;
  readonly with: unknown;
}

type Script = Pick<LifecycleGateway, 'ensureFresh' | 'refresh' | 'command' | 'status'>;

/** The work goes on after the wait. */
const goesOn: Script = {
  ensureFresh: async () => null,
  refresh: async () => null,
  command: async () => null,
  status: async () => null,
};

export function createRecordingGateway() {
  const calls: GatewayCall[] = [];
  const temporal = { isAway: false };
  const script: { -readonly [K in keyof Script]: Script[K] } & { reset(): void } = {
    ...goesOn,
    reset() {
      Object.assign(script, goesOn);
      temporal.isAway = false;
      calls.length = 0;
    },
  };
  const note = (name: string, principal: string, given: unknown): void => {
    calls.push({ name, principal, with: given });
    if (temporal.isAway) throw new AppError('temporal-unavailable', 'Temporal is away.');
  };
  const gateway: LifecycleGateway = {
    async connect(key, sessionId) {
      note('connect', key.principal, { sessionId });
      return null;
    },
    async connectUnidentified(app, sessionId) {
      note('connectUnidentified', app, { sessionId });
      return null;
    },
    async ensureFresh(key, version, waitMs) {
      note('ensureFresh', key.principal, { version });
      return await script.ensureFresh(key, version, waitMs);
    },
    async refresh(key, command) {
      note('refresh', key.principal, command);
      return await script.refresh(key, command);
    },
    async command(name, key, command, waitMs) {
      note(name, key.principal, { ...command, waitMs });
      return await script.command(name, key, command, waitMs);
    },
    async tokenRejected(key, rejection) {
      note('tokenRejected', key.principal, rejection);
    },
    async status(key) {
      note('status', key.principal, null);
      return await script.status(key);
    },
  };
  return { gateway, calls, script, temporal };
}
