import { setTimeout as delay } from 'node:timers/promises';
import { isMap } from '../config/field.ts';
import type { AccessOptions } from '../config/cluster-access.ts';
import { withCluster, type ClusterReading } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { UsageError } from './failure.ts';
import { askMember } from '../peer/member-rest.ts';
import { askEach, chooseMembers, meant, type ChosenMember } from './members.ts';
import type { Terminal } from './terminal.ts';

export interface ReinitOptions extends AccessOptions {
  readonly members: readonly string[];
  readonly fromLeader: boolean;
  /** Until the copy is there. */
  readonly wait: boolean;
  /** Without asking, and although something else is being done to the server. */
  readonly force: boolean;
}

const replyMs = 30_000;
const pollMs = 1_000;

/** `slotkeeper reinit`: standbys throw their data away and copy it anew. */
export function reinit(options: ReinitOptions, terminal: Terminal): Promise<ExitCode> {
  const { force, fromLeader } = options;
  if (options.members.length === 0) throw new UsageError('which member is to be copied anew? Name at least one');
  return withCluster(options, terminal, async (reading) => {
    const members = chooseMembers(reading.keys, options.members, 'replica');
    if (!(await meant(members, 'throw the data away and copy it anew on', force, terminal))) return exitCodes.failure;
    const started: ChosenMember[] = [];
    const ended = await askEach(
      reading,
      members,
      {
        action: 'reinitialize',
        request: () => ({
          method: 'POST',
          path: '/reinitialize',
          body: { force, from_leader: fromLeader },
          timeoutMs: replyMs,
        }),
        success: ({ status }, name) => {
          if (status >= 400) return null;
          started.push(...members.filter((member) => member.name === name));
          return `Success: reinitialize for member ${name}`;
        },
      },
      terminal,
    );
    if (options.wait) for (const member of started) await untilCopied(reading, member, terminal);
    return ended;
  });
}

async function untilCopied({ access }: ClusterReading, chosen: ChosenMember, terminal: Terminal): Promise<void> {
  const { name, member } = chosen;
  terminal.out(`Waiting for reinitialize to complete on: ${name}`);
  // The first look may come before anything has been taken away.
  for (let isCopying = true; isCopying;) {
    await delay(pollMs, undefined, { signal: terminal.stop });
    const request = { method: 'GET', path: '/patroni', timeoutMs: replyMs } as const;
    const { text } = await askMember(access.rest, member.apiUrl ?? '', request, terminal.stop);
    isCopying = stateIn(text) === 'creating replica';
  }
  terminal.out(`Reinitialize is completed on: ${name}`);
}

function stateIn(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isMap(value) ? value['state'] : null;
  } catch {
    return null;
  }
}
