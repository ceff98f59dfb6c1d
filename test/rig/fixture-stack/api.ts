import { runFixturePart } from './part.ts';

runFixturePart('api', Number(process.env.PORT));
