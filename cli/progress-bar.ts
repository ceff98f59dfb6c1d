const WIDTH = 30;

/** `[######------] 1200/5000 re-sealed`; a total of nothing is done. */
export function progressBar(done: number, total: number, what: string): string {
  const share = total === 0 ? 1 : Math.min(done / total, 1);
  const filled = Math.floor(share * WIDTH);
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] ${done}/${total} ${what}`;
}
