/** One JSON object a line on standard output, for journald or whatever collects it. No token is ever logged. */
export interface Log {
  info(message: string, facts?: object): void;
  warn(message: string, facts?: object): void;
  error(message: string, facts?: object): void;
}

export function createLog(write: (line: string) => void): Log {
  const at =
    (level: string) =>
    (message: string, facts: object = {}): void =>
      write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...facts })}\n`);
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
