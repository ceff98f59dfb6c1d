/** What a process tells the one that launched it, over IPC, once it can be used. */
export interface ReadyMessage {
  readonly type: 'ready';
  /** Where it listens; null when it does not. */
  readonly url: string | null;
}

/** Does nothing when nobody launched this process to hear it. */
export function announceReady(url: string | null): void {
  const message: ReadyMessage = { type: 'ready', url };
  process.send?.(message);
}

export function isReadyMessage(value: unknown): value is ReadyMessage {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'ready';
}
