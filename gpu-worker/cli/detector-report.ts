// `nccr-guard detector report`: the page of a stored detection table.
import { Command } from 'commander';
import { type DetectionTable, detectionTableSchema } from '../../shared/contracts/detection-table.ts';
import { readJson } from './read-file.ts';
import { writeWhole } from './write-file.ts';

/** Makes the command. */
export function detectorReportCommand(): Command {
  return new Command('report')
    .description('write the HTML page of a table that `detector table --out` stored')
    .argument('<table.json>', 'the table')
    .requiredOption('--html <file>', 'where the page goes')
    .action(async (path: string, { html }: { html: string }) => {
      await writeReportPage(html, await readJson(path, detectionTableSchema, 'malformed_request'));
    });
}

/** Writes the page of a table to a file. */
export async function writeReportPage(path: string, table: DetectionTable): Promise<void> {
  // Vega takes a third of a second to load, which no other command should wait for.
  const { reportPage } = await import('../evaluate/report-page.ts');
  await writeWhole(path, await reportPage(table));
}
