/**
 * Outlives its launcher, be it killed without a word: when its standard input closes, it ends, in order, whatever it
 * was told of and removes what must not be left behind. Plain JavaScript, so that it is up at once.
 *
 * A line is JSON: `{"guard": pid, "signal": "SIGTERM", "rank": n, "graceMs": n}` (highest rank is ended first),
 * `{"release": pid}`, `{"remove": path}`, `{"forget": path}`.
 */
import { existsSync, rmSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

const guarded = new Map();
const leftovers = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.guard) guarded.set(order.guard, order);
  if (order.release) guarded.delete(order.release);
  if (order.remove) leftovers.add(order.remove);
  if (order.forget) leftovers.delete(order.forget);
}

const ranks = [...new Set([...guarded.values()].map(({ rank }) => rank))].sort((a, b) => b - a);
for (const rank of ranks) {
  await Promise.all([...guarded.values()].filter((part) => part.rank === rank).map(end));
}
for (const path of leftovers) if (existsSync(path)) rmSync(path, { recursive: true, force: true });

async function end({ guard: pid, signal, graceMs }) {
  const deadline = Date.now() + graceMs;
  send(pid, signal);
  while (isAlive(pid) && Date.now() < deadline) await pause(POLL_MS);
  // The leader of a group of its own: what it started goes with it.
  if (isAlive(pid)) send(-pid, 'SIGKILL');
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
