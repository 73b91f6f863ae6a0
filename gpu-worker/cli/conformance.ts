// `nccr-guard conformance`: whether a server does what the Open Inference Protocol v2 says, whoever made it.
import { Command, InvalidArgumentError } from 'commander';
import { readRequest } from '../../shared/oip/read-message.ts';
import { type ConformanceReport, reportDifferences, runConformance } from '../conformance/run-conformance.ts';
import { readInput } from './read-file.ts';

interface Options {
  readonly model: string;
  readonly version?: string;
  readonly token?: string;
  readonly input?: string;
  readonly compare?: URL;
  readonly timeoutMs: number;
  readonly json?: boolean;
}

/** Makes the command. @param failed called where a check fails, or two servers differ */
export function conformanceCommand(failed: () => void): Command {
  return new Command('conformance')
    .description('check a server against the Open Inference Protocol v2')
    .argument('<url>', 'address of the server', parseUrl)
    .requiredOption('--model <name>', 'the model that is asked')
    .option('--version <version>', 'its version; checks of versions are left out without it')
    .option('--token <token>', 'bearer token')
    .option(
      '--input <request.json>',
      'a request that the model answers; made up from the metadata without it',
    )
    .option(
      '--compare <url>',
      'another server, such as the one behind a guard: both are to answer the same bytes',
      parseUrl,
    )
    .option('--timeout-ms <ms>', 'longest wait for one answer', parseMs, 10_000)
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExit code 1: a check failed, or the servers differ.')
    .action((url: URL, options: Options) => run(url, options, failed));
}

async function run(url: URL, options: Options, failed: () => void): Promise<void> {
  const { model, version, token, timeoutMs, input, compare } = options;
  const request = input === undefined ? undefined : readRequest({ bytes: await readInput(input) });
  const asked = { model, version, timeoutMs, request };
  const report = await runConformance({ ...asked, url, token });
  const other = compare && (await runConformance({ ...asked, url: compare, token: undefined }));
  const differences = other && reportDifferences(report, other);
  if (report.failed > 0 || (differences?.length ?? 0) > 0) failed();
  if (options.json) {
    console.log(
      JSON.stringify(other === undefined ? report : { ...report, compared: other, differences }, null, 2),
    );
    return;
  }
  printReport(report);
  if (other !== undefined && differences !== undefined) {
    const found = differences.length === 0 ? 'no difference' : `differs in ${differences.join(', ')}`;
    console.log(`compared with ${other.url}: ${found}`);
  }
}

function printReport({ checks, passed, failed, skipped }: ConformanceReport): void {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, demands, outcome, reason } of checks) {
    console.log(`${outcome}  ${name.padEnd(width)}  ${demands}`);
    if (reason !== undefined) console.log(`      ${' '.repeat(width)}  ${printable(reason)}`);
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} left out`);
}

/** What a server said, without what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\u00b7');
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new InvalidArgumentError('not an http address');
  return url;
}

function parseMs(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('not a number of milliseconds');
  return Number(text);
}
