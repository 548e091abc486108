import yargs, { type Argv } from 'yargs';
import { accessOf, accessOptions } from './access-arguments.ts';
import type { AgentFileOptions } from './agent.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { UsageError } from './failure.ts';
import { withOperatorCommands } from './operator-commands.ts';
import type { Terminal } from './terminal.ts';
import { programVersion } from './version.ts';

/**
 * Reads the command line and runs the command. Each command is loaded only when it is called. Throws UsageError for a
 * command line that cannot be read, and whatever the command throws.
 */
export async function runCommandLine(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let ended: ExitCode = exitCodes.ok;
  const run =
    <Args>(command: (args: Args) => Promise<ExitCode>) =>
    async (args: Args): Promise<void> => {
      ended = await command(args);
    };

  const program = withOperatorCommands(yargs([...words]), run, terminal)
    .scriptName('slotkeeper')
    .usage('$0 <command>\n\nKeeps PostgreSQL logical replication slots usable across failovers, on Consul.')
    .command(
      'agent <config>',
      'Run the agent beside a PostgreSQL server, until SIGTERM or SIGINT',
      (y) => configArgument(y).example('$0 agent /etc/slotkeeper.yml', 'The file has the names of patroni.yml'),
      run(async ({ config, ha }) => (await import('./agent.ts')).agent(fileOptions(config, ha), terminal)),
    )
    .command(
      'plan <config>',
      'Look once, and tell what the agent would do now and why not more; changes nothing',
      (y) => jsonOption(configArgument(y)).example('$0 plan /etc/slotkeeper.yml', 'Before the first start of an agent'),
      run(async ({ config, ha, json }) =>
        (await import('./plan.ts')).plan({ ...fileOptions(config, ha), json }, terminal),
      ),
    )
    .command(
      'doctor <config>',
      'Check every prerequisite of every member, and tell what mends what is missing',
      (y) =>
        jsonOption(configArgument(y)).example('$0 doctor /etc/slotkeeper.yml', 'Ends with 1 when there are errors'),
      run(async ({ config, ha, json }) =>
        (await import('./doctor.ts')).doctor({ ...fileOptions(config, ha), json }, terminal),
      ),
    )
    .command(
      'list',
      'Show the members of the cluster and everything that is wrong with it',
      (y) =>
        jsonOption(accessOptions(y))
          .example('$0 list -c /etc/slotkeeper.yml', 'The cluster of that configuration file')
          .example('$0 list --consul 10.0.0.1:8500 --scope main', 'Without a file'),
      run(async (args) => {
        const { list } = await import('./list.ts');
        return list({ ...accessOf(args), json: args.json, isTree: false }, terminal);
      }),
    )
    .command(
      'topology',
      'Show the members of the cluster, each below the one that it streams from',
      (y) => accessOptions(y).example('$0 topology -c /etc/slotkeeper.yml', 'Cascades are indented'),
      run(async (args) => {
        const { list } = await import('./list.ts');
        return list({ ...accessOf(args), json: false, isTree: true }, terminal);
      }),
    )
    .command(
      'slots',
      'Show each slot on each member: verdict, method, lag, why it is not ready; templates, gate, what is lost',
      (y) =>
        jsonOption(accessOptions(y))
          .option('history', { type: 'boolean', default: false, describe: 'What became of the slots at promotions' })
          .example('$0 slots -c /etc/slotkeeper.yml', 'Would a consumer lose anything if this member were promoted?')
          .example('$0 slots --history', 'With the gaps, where a slot was lost'),
      run(async (args) => {
        const { slots } = await import('./slots.ts');
        return slots({ ...accessOf(args), json: args.json, history: args.history }, terminal);
      }),
    )
    .command(
      'history',
      'Show the failovers of the cluster: the end of each timeline',
      (y) =>
        jsonOption(accessOptions(y)).example('$0 history -c /etc/slotkeeper.yml', 'LSN in bytes, as in patronictl'),
      run(async (args) => (await import('./history.ts')).history({ ...accessOf(args), json: args.json }, terminal)),
    )
    .command(
      'show-config',
      'Show the cluster configuration, and what is wrong with it',
      (y) => jsonOption(accessOptions(y)).example('$0 show-config --json > config.json', 'As it is in Consul'),
      run(async (args) => {
        const { showConfig } = await import('./show-config.ts');
        return showConfig({ ...accessOf(args), json: args.json }, terminal);
      }),
    )
    .command(
      'edit-config',
      'Change the cluster configuration, in an editor or by options; a wrong one is refused',
      (y) => editOptions(accessOptions(y)),
      run(async (args) => {
        const { editConfig } = await import('./edit-config.ts');
        const { set, pg, force, quiet } = args;
        const files = { apply: args.apply ?? null, replace: args.replace ?? null };
        return editConfig({ ...accessOf(args), set, pg, force, quiet, ...files }, terminal);
      }),
    )
    .command(
      'demo',
      'Show it all on this machine: Consul, three servers, three agents, a failover, nothing lost',
      (y) =>
        jsonOption(y)
          .option('keep', { type: 'boolean', default: false, describe: 'Leave the cluster running at the end' })
          .option('rows-per-second', { type: 'number', default: 200, describe: 'How fast rows are written' })
          .option('major', { type: 'number', describe: "PostgreSQL's major version (default: what is found)" })
          .example('$0 demo', 'Under two minutes'),
      run(async ({ json, keep, major, rowsPerSecond }) => {
        const { demo } = await import('./demo.ts');
        return demo({ json, keep, rowsPerSecond, ...(major === undefined ? {} : { major }) });
      }),
    )
    .option('debug', { type: 'boolean', default: false, describe: 'Show where in the program an error arose' })
    .demandCommand(1, 'no command was given')
    .strict()
    .recommendCommands()
    .version(programVersion())
    .help()
    .alias('help', 'h')
    .wrap(terminal.columns ?? 100)
    .epilogue(
      'Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, 4 Consul does not answer.\n' +
        'Environment: PATRONICTL_CONFIG_FILE, PATRONI_*, SLOTKEEPER_HA, CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE.',
    )
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message: string | null, error: Error | undefined) => {
      // What yargs itself finds wrong is a YError where it is not a message; everything else came from a command.
      if (error !== undefined && error.name !== 'YError') throw error;
      throw new UsageError(message ?? error?.message ?? 'the command line cannot be read');
    });
  await program.parseAsync();
  return ended;
}

function configArgument<T>(y: Argv<T>) {
  return y
    .positional('config', { type: 'string', demandOption: true, describe: "The agent's configuration file" })
    .option('ha', {
      type: 'string',
      requiresArg: true,
      describe: "manage or observe, over SLOTKEEPER_HA and the file's own",
    });
}

function fileOptions(configFile: string, ha: string | undefined): AgentFileOptions {
  return { configFile, ha: ha ?? null };
}

function jsonOption<T>(y: Argv<T>) {
  return y.option('json', { type: 'boolean', default: false, describe: 'For programs' });
}

function editOptions<T>(y: Argv<T>) {
  return y
    .option('set', {
      alias: 's',
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      describe: 'path=value; null takes it away',
    })
    .option('pg', {
      alias: 'p',
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      describe: 'Short for --set postgresql.parameters.…',
    })
    .option('apply', {
      alias: 'patch',
      type: 'string',
      requiresArg: true,
      describe: 'File to lay over it (- = standard input); null takes a key away',
    })
    .option('replace', { type: 'string', requiresArg: true, describe: 'File to put in its place (- = standard input)' })
    .option('force', { type: 'boolean', default: false, describe: 'Do not ask' })
    .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Do not show the difference' })
    .example('$0 edit-config -s slots.orders.plugin=pgoutput -s slots.orders.database=shop', 'Declare a logical slot')
    .example('$0 edit-config -s failover_slots.restart=never', 'Never restart a standby for a slot')
    .example('$0 edit-config', 'In an editor');
}
