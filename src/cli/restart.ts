import type { AccessOptions } from '../config/cluster-access.ts';
import { versionNumberOf } from '../domain/version.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { UsageError } from './failure.ts';
import { askEach, chooseMembers, meant, type RoleWord } from './members.ts';
import { scheduledTime } from './scheduled-time.ts';
import type { Terminal } from './terminal.ts';

export interface RestartOptions extends AccessOptions {
  readonly members: readonly string[];
  readonly role: RoleWord;
  /** Only one of them. */
  readonly any: boolean;
  readonly scheduled: string | null;
  /** Only where PostgreSQL is older than this. */
  readonly pgVersion: string | null;
  /** Only where a restart is pending. */
  readonly pending: boolean;
  /** Seconds, or a time with a unit. */
  readonly timeout: string | null;
  readonly force: boolean;
}

/** A member answers when its server is up again, which may take as long as its start may. */
const replyMs = 3_600_000;

/** `slotkeeper restart`: restarts PostgreSQL on members, one after the other, or at a later time. */
export function restart(options: RestartOptions, terminal: Terminal): Promise<ExitCode> {
  const { pgVersion, timeout, pending, force } = options;
  const schedule = scheduledTime(options.scheduled);
  if (pgVersion !== null && versionNumberOf(pgVersion) === null)
    throw new UsageError(`--pg-version takes a version such as 15.3, not "${pgVersion}"`);
  const body = {
    ...(pending ? { restart_pending: true } : {}),
    ...(pgVersion === null ? {} : { postgres_version: pgVersion }),
    ...(timeout === null ? {} : { timeout }),
    ...(schedule === null ? {} : { schedule }),
  };
  return withCluster(options, terminal, async (reading) => {
    const all = chooseMembers(reading.keys, options.members, options.role);
    // What is pending at a later time is not known now.
    const chosen = pending && schedule === null ? all.filter(({ member }) => member.pendingRestart) : all;
    const members = options.any ? chosen.slice(0, 1) : chosen;
    if (members.length === 0) {
      terminal.out('No member waits for a restart');
      return exitCodes.ok;
    }
    const when = schedule === null ? 'restart' : `schedule a restart at ${schedule} of`;
    if (!(await meant(members, when, force, terminal))) return exitCodes.failure;
    if (force && schedule !== null) await takeBack();
    return askEach(
      reading,
      members,
      {
        action: 'restart',
        request: () => ({ method: 'POST', path: '/restart', body, timeoutMs: replyMs }),
        success: ({ status }, name) => {
          if (status === 200) return `Success: restart on member ${name}`;
          if (status === 202) return `Success: restart scheduled on member ${name}`;
          return status === 409 ? `Failed: another restart is already scheduled on member ${name}` : null;
        },
      },
      terminal,
    );

    /** With --force the new time takes the place of one that is scheduled already. */
    async function takeBack(): Promise<void> {
      const scheduled = members.filter(({ member }) => member.scheduledRestart !== null);
      const quiet: Terminal = { ...terminal, out: () => undefined };
      const request = { method: 'DELETE', path: '/restart', timeoutMs: replyMs } as const;
      const success = ({ status }: { readonly status: number }): string | null => (status < 400 ? '' : null);
      await askEach(reading, scheduled, { action: 'flush restart', request: () => request, success }, quiet);
    }
  });
}
