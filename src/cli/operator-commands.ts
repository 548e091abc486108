import type { Argv } from 'yargs';
import { accessOf, accessOptions } from './access-arguments.ts';
import type { ExitCode } from './exit-code.ts';
import { roleWords } from './members.ts';
import type { Terminal } from './terminal.ts';

/** Makes of a command what the library that reads the command line calls. */
type Run = <Args>(command: (args: Args) => Promise<ExitCode>) => (args: Args) => Promise<void>;

/** The commands that change what a cluster with `ha: manage` does. Each is loaded only when it is called. */
export function withOperatorCommands<T>(program: Argv<T>, run: Run, terminal: Terminal): Argv<T> {
  return program
    .command(
      'switchover',
      'Hand over to another member in order, now or later',
      (y) =>
        handoverOptions(accessOptions(y))
          .option('leader', { type: 'string', requiresArg: true, describe: 'Only if this member leads' })
          .option('scheduled', scheduledOption)
          .example('$0 switchover -c /etc/slotkeeper.yml --candidate node2', 'Asks, and waits until node2 leads')
          .example('$0 switchover --force --scheduled 2030-01-02T03:04+00:00', 'To whoever fits best by then'),
      run(async (args) => {
        const { switchover } = await import('./switchover.ts');
        return switchover(
          { ...handoverOf(args), leader: args.leader ?? null, scheduled: args.scheduled ?? null },
          terminal,
        );
      }),
    )
    .command(
      'failover',
      'Let a candidate take over, also where nobody leads or cluster management is paused',
      (y) =>
        handoverOptions(accessOptions(y)).example('$0 failover --candidate node2', 'node2 need not be synchronous'),
      run(async (args) => (await import('./failover.ts')).failover(handoverOf(args), terminal)),
    )
    .command(
      'restart [members..]',
      'Restart PostgreSQL on members, now or later',
      (y) =>
        memberOptions(accessOptions(y))
          .option('any', { type: 'boolean', default: false, describe: 'Only one of them' })
          .option('scheduled', scheduledOption)
          .option('pg-version', { type: 'string', requiresArg: true, describe: 'Only where it is older, e.g. 15.3' })
          .option('pending', { type: 'boolean', default: false, describe: 'Only where a restart is pending' })
          .option('timeout', { type: 'string', requiresArg: true, describe: 'Give up after this time, e.g. 60s' })
          .example('$0 restart --pending', 'After settings were changed that need it')
          .example('$0 restart node2 --force', 'Without asking'),
      run(async (args) => {
        const { restart } = await import('./restart.ts');
        const { members, role, any, pending, force } = args;
        const conditions = {
          scheduled: args.scheduled ?? null,
          pgVersion: args.pgVersion ?? null,
          timeout: args.timeout ?? null,
        };
        return restart({ ...accessOf(args), members, role, any, pending, force, ...conditions }, terminal);
      }),
    )
    .command(
      'reload [members..]',
      'Let members read their configuration again',
      (y) => memberOptions(accessOptions(y)).example('$0 reload node2', 'Its file and PostgreSQL’s'),
      run(async (args) => {
        const { reload } = await import('./reload.ts');
        const { members, role, force } = args;
        return reload({ ...accessOf(args), members, role, force }, terminal);
      }),
    )
    .command(
      'reinit <members..>',
      'Let standbys throw their data away and copy it anew',
      (y) =>
        membersArgument(accessOptions(y))
          .option('from-leader', { type: 'boolean', default: false, describe: 'Copy from the leader' })
          .option('wait', { type: 'boolean', default: false, describe: 'Wait until the copy is there' })
          .option('force', {
            type: 'boolean',
            default: false,
            describe: 'Do not ask, and put it before everything else',
          })
          .example('$0 reinit node2 --wait', 'After its data was found to be broken'),
      run(async (args) => {
        const { reinit } = await import('./reinit.ts');
        const { members, fromLeader, wait, force } = args;
        return reinit({ ...accessOf(args), members, fromLeader, wait, force }, terminal);
      }),
    )
    .command(
      'pause',
      'Leave servers as they are: no promotion, no restart, nothing dropped',
      (y) => waitOption(accessOptions(y)).example('$0 pause --wait', 'Before something is done to the servers by hand'),
      run(async (args) => (await import('./pause.ts')).pause({ ...accessOf(args), wait: args.wait }, terminal)),
    )
    .command(
      'resume',
      'End the pause',
      (y) => waitOption(accessOptions(y)).example('$0 resume', 'Whatever was held back is done now'),
      run(async (args) => (await import('./pause.ts')).resume({ ...accessOf(args), wait: args.wait }, terminal)),
    );
}

const scheduledOption = {
  type: 'string',
  requiresArg: true,
  describe: 'At this time (ISO 8601, without a zone in this machine’s)',
} as const;

function handoverOptions<T>(y: Argv<T>) {
  return y
    .option('candidate', { type: 'string', requiresArg: true, describe: 'Who takes over' })
    .option('unready-slots', {
      type: 'boolean',
      default: false,
      describe: 'Do not wait for slots that are not ready there',
    })
    .option('wait', { type: 'boolean', default: true, describe: 'Wait until another member leads' })
    .option('force', { type: 'boolean', default: false, describe: 'Do not ask' });
}

function handoverOf(
  args: Parameters<typeof accessOf>[0] & {
    readonly candidate: string | undefined;
    readonly unreadySlots: boolean;
    readonly wait: boolean;
    readonly force: boolean;
  },
) {
  const { unreadySlots, wait, force } = args;
  return { ...accessOf(args), candidate: args.candidate ?? null, unreadySlots, wait, force };
}

function membersArgument<T>(y: Argv<T>) {
  return y.positional('members', { type: 'string', array: true, default: [], describe: 'Their names' });
}

function memberOptions<T>(y: Argv<T>) {
  return membersArgument(y)
    .option('role', {
      alias: 'r',
      choices: roleWords,
      default: 'any' as const,
      describe: 'Only members with this role',
    })
    .option('force', { type: 'boolean', default: false, describe: 'Do not ask' });
}

function waitOption<T>(y: Argv<T>) {
  return y.option('wait', { type: 'boolean', default: false, describe: 'Wait until every member knows' });
}
