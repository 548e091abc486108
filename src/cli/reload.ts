import type { AccessOptions } from '../config/cluster-access.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { askEach, chooseMembers, meant, type RoleWord } from './members.ts';
import type { Terminal } from './terminal.ts';

export interface ReloadOptions extends AccessOptions {
  readonly members: readonly string[];
  readonly role: RoleWord;
  readonly force: boolean;
}

const replyMs = 30_000;

/** `slotkeeper reload`: members read their configuration again, and PostgreSQL with them. */
export function reload(options: ReloadOptions, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, async (reading) => {
    const members = chooseMembers(reading.keys, options.members, options.role);
    if (!(await meant(members, 'reload', options.force, terminal))) return exitCodes.failure;
    return askEach(
      reading,
      members,
      {
        action: 'reload',
        request: () => ({ method: 'POST', path: '/reload', timeoutMs: replyMs }),
        success: ({ status }, name) => {
          if (status === 200) return `No changes to apply on member ${name}`;
          return status === 202 ? `Success: reload request received for member ${name}` : null;
        },
      },
      terminal,
    );
  });
}
