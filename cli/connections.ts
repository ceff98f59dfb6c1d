import type { Command } from 'commander';
import { addCommandVerbs } from './connections-command.ts';
import { addConnect } from './connections-connect.ts';
import { addExport } from './connections-export.ts';
import { addImport } from './connections-import.ts';
import { addReadingVerbs } from './connections-read.ts';
import type { Bench } from './verb.ts';

/** `evergrant connections …` */
export function addConnections(program: Command, bench: Bench): void {
  const noun = program.command('connections').description('connections of customers to SAP Concur');
  addReadingVerbs(noun, bench);
  addConnect(noun, bench);
  addImport(noun, bench);
  addExport(noun, bench);
  addCommandVerbs(noun, bench);
}
