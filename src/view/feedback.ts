import { downstreamOf, followedSlots, freshLook, logicalSlots } from './select.ts';
import { templateDatabases } from './templates.ts';
import type { View } from './view.ts';
import { excludedBecause } from './exclusion.ts';

/**
 * Whether catalog rows must be protected for this server: it has or is to have logical slots as a standby, or a standby
 * that streams through it does. Without feedback on every link the protection does not reach the primary (FACTS 2).
 */
export function needsFeedback(view: View): boolean {
  const look = freshLook(view) ?? view.local.look;
  if (look?.role !== 'standby') return false;
  const wanted = excludedBecause(view) === null && (followedSlots(view)?.length ?? 0) > 0;
  return (
    wanted || templateDatabases(view, look).length > 0 || logicalSlots(look).length > 0 || isNeededDownstream(view)
  );
}

function isNeededDownstream(view: View): boolean {
  const { keys } = view.consul;
  if (keys === null) return false;
  return downstreamOf(keys, view.self.name).some(
    (name) => keys.members.get(name)?.value?.extras?.needsFeedback === true,
  );
}
