// `nccr-guard detector report`: the page of a stored detection table.
import { Command } from 'commander';
import { type DetectionTable, detectionTableSchema } from '../../shared/contracts/detection-table.ts';
import { GuardError } from '../../shared/errors.ts';
import { readInput } from './options.ts';
import { writeWhole } from './write-file.ts';

/** Makes the command. */
export function detectorReportCommand(): Command {
  return new Command('report')
    .description('write the HTML page of a table that `detector table --out` stored')
    .argument('<table.json>', 'the table')
    .requiredOption('--html <file>', 'where the page goes')
    .action(async (path: string, { html }: { html: string }) => {
      await writeReportPage(html, await readTable(path));
    });
}

/** Writes the page of a table to a file. */
export async function writeReportPage(path: string, table: DetectionTable): Promise<void> {
  // Vega takes a third of a second to load, which no other command should wait for.
  const { reportPage } = await import('../evaluate/report-page.ts');
  await writeWhole(path, await reportPage(table));
}

async function readTable(path: string): Promise<DetectionTable> {
  const text = (await readInput(path)).toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new GuardError('malformed_request', `${path} is not JSON`, { cause });
  }
  const parsed = detectionTableSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new GuardError('malformed_request', `${path}: ${issue.path.join('.')}: ${issue.message}`);
}
