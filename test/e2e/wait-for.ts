/** Asks again until there is an answer. What it waits for is in the message when it never comes. */
export async function waitFor<T>(what: string, withinMs: number, ask: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
