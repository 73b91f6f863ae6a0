// docs/commands.md: every command of the command line, as its own help says it.
import type { Command } from 'commander';
import { commandLine, everyCommand } from '../../gpu-worker/cli/main.ts';

/** Of a page, so that no terminal's width changes it. */
const helpColumns = 120;

/** Writes the page. */
export function commandsPage(): string {
  const program = commandLine();
  const commands = everyCommand(program).filter((command) => command.commands.length === 0);
  const sections = commands.map(
    (command) => `## ${nameOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`,
  );
  return `# Commands

What \`npm run -s nccr-guard -- COMMAND --help\` says of each. Written from the commands themselves by \`npm run docs\`; a test holds the page to them.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 70 a bug. Of the gates (\`conformance\`, \`dataset screen\`, \`model evaluate\`) 1 is their finding.

${commands.map((command) => `- [${nameOf(command)}](#${anchorOf(command)}): ${command.description()}`).join('\n')}

${sections.join('\n')}`;
}

/** Its words without the program's, such as `detector table`. */
function nameOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${nameOf(parent)} ${command.name()}` : command.name();
}

function anchorOf(command: Command): string {
  return nameOf(command).replaceAll(' ', '-');
}

/** The help with what stands before and after it. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => helpColumns,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}
