/** Stands where connects without a landing page are carried out: writes down what the API asks for, answers as told. */
import type { Intake, IntakeRequest, IntakeResult } from '../../api/intake-port.ts';

export function createRecordingIntake() {
  const requests: IntakeRequest[] = [];
  const results = new Map<string, IntakeResult>();
  const script = {
    connect: async (request: IntakeRequest): Promise<IntakeResult> => ({
      outcome: 'pending',
      principal: request.principal,
      sessionId: request.sessionId ?? '',
    }),
  };
  const plain = script.connect;
  const intake: Intake = {
    async connect(request) {
      requests.push(request);
      const result = await script.connect(request);
      results.set(`${request.app.app}:${request.sessionId}`, result);
      return result;
    },
    look: async (app, sessionId) => results.get(`${app}:${sessionId}`) ?? null,
  };
  return {
    intake,
    requests,
    /** What became of a connect that was pending. */
    settle: (app: string, sessionId: string, result: IntakeResult) => void results.set(`${app}:${sessionId}`, result),
    script,
    reset(): void {
      script.connect = plain;
      requests.length = 0;
    },
  };
}
