/** How far a long verb is, for the person who looks on. */
import { formatDuration } from '../runtime/duration.ts';

const WIDTH = 24;
const SECOND_MS = 1_000;

/** `[=======>      ] 1200/4000  30 %, 2m left`: the time left as the work so far lets hope. */
export function drawProgress(done: number, total: number, elapsedMs: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(share * WIDTH);
  const bar = `${'='.repeat(filled)}${filled < WIDTH ? '>' : ''}`.padEnd(WIDTH).slice(0, WIDTH);
  return `[${bar}] ${done}/${total}  ${Math.floor(share * 100)} %${timeLeft(done, total, elapsedMs)}`;
}

function timeLeft(done: number, total: number, elapsedMs: number): string {
  if (done === 0 || done >= total || elapsedMs < SECOND_MS) return '';
  const leftMs = (elapsedMs / done) * (total - done);
  const unitMs = leftMs > 90 * SECOND_MS ? 60 * SECOND_MS : SECOND_MS;
  return `, ${formatDuration(Math.ceil(leftMs / unitMs) * unitMs)} left`;
}
