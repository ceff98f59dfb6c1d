/**
 * One keep-alive connection that asks one thing after the other, in as few instructions as it takes: on a machine of two
 * cores a load generator with a full HTTP client measures itself.
 */
import { connect, type Socket } from 'node:net';

export interface RequestLoop {
  /** Resolves when the connection is there. */
  readonly opened: Promise<void>;
  /** Asks no more once the answer under way has come. */
  stop(): Promise<void>;
}

interface LoopOptions {
  readonly host: string;
  readonly port: number;
  /** The whole next request. */
  readonly next: () => string;
  readonly onAnswer: (status: number, tookMs: number) => void;
}

const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: (\d+)/i;

export function startRequestLoop({ host, port, next, onAnswer }: LoopOptions): RequestLoop {
  const socket: Socket = connect(port, host);
  socket.setNoDelay(true);
  let isStopping = false;
  let sentAtMs = 0;
  let received: Buffer | null = null;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });

  const ask = (): void => {
    if (isStopping) {
      socket.end();
      finish();
      return;
    }
    sentAtMs = performance.now();
    socket.write(next(), 'latin1');
  };
  socket.once('connect', ask);
  socket.on('close', () => finish());
  socket.on('data', (chunk) => {
    received = received === null ? chunk : Buffer.concat([received, chunk]);
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = received.toString('latin1', 0, headEnd);
    const length = Number(LENGTH.exec(head)?.[1] ?? 0);
    if (received.length < headEnd + HEAD_END.length + length) return;
    received = null;
    onAnswer(Number(head.slice(9, 12)), performance.now() - sentAtMs);
    ask();
  });
  return {
    opened,
    async stop() {
      isStopping = true;
      await finished;
    },
  };
}
