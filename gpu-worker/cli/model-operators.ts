// `nccr-guard model operators`: which operators of a model are rewritten, tapped and differentiated.
import { Command } from 'commander';
import { operatorPage, operatorRows } from '../onnx/operator-table.ts';
import { writeWhole } from './write-file.ts';

/** Makes the command. */
export function modelOperatorsCommand(): Command {
  return new Command('operators')
    .description('list the operators that models may hold, with their gradients')
    .option('--write <page.md>', 'write the list as a page of Markdown')
    .option('--json', 'print the list as JSON')
    .action(async ({ write, json }: { write?: string; json?: boolean }) => {
      if (write !== undefined) await writeWhole(write, new TextEncoder().encode(operatorPage()));
      else console.log(json ? JSON.stringify(operatorRows()) : operatorPage().trimEnd());
    });
}
