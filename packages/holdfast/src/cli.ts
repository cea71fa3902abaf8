/** The command line: finds the command, runs it, turns what went wrong into words and an exit code. */
import { causeChain } from '@holdfast/region/log.ts';
import { type Command, helpText, parseArguments, Refusal, UsageError } from './command.ts';
import { ami } from './commands/ami.ts';
import { control } from './commands/control.ts';
import { demo } from './commands/demo.ts';
import { doctor } from './commands/doctor.ts';
import { down } from './commands/down.ts';
import { env } from './commands/env.ts';
import { exec } from './commands/exec.ts';
import { fault } from './commands/fault.ts';
import { logs } from './commands/logs.ts';
import { recover } from './commands/recover.ts';
import { setup } from './commands/setup.ts';
import { ssh } from './commands/ssh.ts';
import { status } from './commands/status.ts';
import { up } from './commands/up.ts';
import { version } from './version.ts';

/** In the order of the help. */
const commands: readonly Command[] = [
  up,
  status,
  env,
  down,
  demo,
  ami,
  fault,
  recover,
  setup,
  doctor,
  exec,
  ssh,
  logs,
];
/** Not for people: what other commands start. */
const inner: readonly Command[] = [control];

function overview(): string {
  const width = Math.max(...commands.map((command) => command.name.length)) + 2;
  const rows = commands.map((command) => `  ${command.name.padEnd(width)}${command.summary}`).join('\n');
  return `Holdfast ${version}: a highly available cloud region on this machine that speaks AWS's own APIs.\n
Usage: holdfast <command> [options]\n\nCommands:\n${rows}\n\nholdfast <command> --help says more.`;
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overview());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === 'version') {
    console.log(version);
    return 0;
  }
  const command = [...commands, ...inner].find((one) => one.name === name);
  if (!command) throw new UsageError(`there is no command ${name}; holdfast --help lists them`);
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) {
    console.log(helpText(command));
    return 0;
  }
  return command.run(parseArguments(command, rest));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`holdfast: ${error.message}`);
    process.exitCode = 2;
  } else {
    console.error(`holdfast: ${error instanceof Refusal ? error.message : causeChain(error)}`);
    process.exitCode = 1;
  }
}
