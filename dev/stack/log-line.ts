const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevelName = (typeof levels)[number];

/** A JSON log line of a part as a person reads it, or null when it is below the level or no log line at all. */
export function formatLogLine(part: string, line: string, from: LogLevelName): string | null {
  const entry = parseEntry(line);
  if (entry === null || levels.indexOf(entry.level) < levels.indexOf(from)) return null;
  const { level, message, fields } = entry;
  const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
  return `[${part}] ${level}: ${message}${rest}`;
}

interface Entry {
  readonly level: LogLevelName;
  readonly message: string;
  readonly fields: object;
}

function parseEntry(line: string): Entry | null {
  if (!line.startsWith('{')) return null;
  try {
    const {
      level,
      msg,
      time: _time,
      name: _name,
      pid: _pid,
      hostname: _host,
      ...fields
    } = JSON.parse(line) as Record<string, unknown>;
    const known = levels.find((name) => name === level);
    return known === undefined ? null : { level: known, message: typeof msg === 'string' ? msg : '', fields };
  } catch {
    return null;
  }
}
