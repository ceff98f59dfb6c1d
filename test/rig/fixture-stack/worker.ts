import { runFixturePart } from './part.ts';

runFixturePart('worker', Number(process.env.WORKER_PORT));
