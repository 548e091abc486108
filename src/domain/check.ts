import type { CheckState } from './service.ts';
import type { SlotVerdict, VerdictKind } from './slot.ts';

/** How bad each verdict is for whoever watches the member; the worst of all slots is the state of the check. */
const severities: Readonly<Record<VerdictKind, CheckState['status']>> = {
  ready: 'passing',
  not_ready: 'warning',
  ahead: 'warning',
  orphan: 'warning',
  lost: 'critical',
};

/** Consul keeps 4 KiB of a check's output; the worst slots are named first, so that it is not they who are cut off. */
const longestOutput = 4_000;

/** What is said of each kind of verdict in front of its reason. */
export const verdictWords: Readonly<Record<VerdictKind, string>> = {
  ready: 'ready',
  not_ready: 'not ready',
  ahead: 'ahead of the primary',
  orphan: 'not followed any more',
  lost: 'lost',
};

/** One slot's verdict in one line, e.g. `orders: not ready (not on this standby yet)`. */
export function describeVerdict({ slot, verdict }: Pick<SlotVerdict, 'slot' | 'verdict'>): string {
  const words = `${slot}: ${verdictWords[verdict.kind]}`;
  return verdict.kind === 'ready' ? words : `${words} (${verdict.reason})`;
}

/**
 * State and words of the Consul check `slots` of a member: passing when every slot is ready, critical when one is lost,
 * warning otherwise. Each slot that is not ready is named with its reason, one a line, the worst first.
 */
export function checkStateOf(verdicts: readonly SlotVerdict[]): CheckState {
  if (verdicts.length === 0) return { status: 'passing', output: 'no slots to keep on this member' };
  const at = (status: CheckState['status']) =>
    verdicts.filter((verdict) => severities[verdict.verdict.kind] === status);
  const [critical, warning, passing] = [at('critical'), at('warning'), at('passing')];
  const status = critical.length > 0 ? 'critical' : warning.length > 0 ? 'warning' : 'passing';
  const summary = `${passing.length} of ${verdicts.length} slots ready`;
  return { status, output: fitted([summary, ...[...critical, ...warning].map(describeVerdict)]) };
}

/** As many whole lines as fit; the last one says how many are left out. */
function fitted(lines: readonly string[]): string {
  const taken: string[] = [];
  let length = 0;
  for (const [index, line] of lines.entries()) {
    length += line.length + 1;
    if (length > longestOutput) return [...taken, `and ${lines.length - index} more`].join('\n');
    taken.push(line);
  }
  return taken.join('\n');
}
