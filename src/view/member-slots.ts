import { onceForEach } from '../base/once.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { configOf, holdsLeader } from './select.ts';
import type { LeadMemory, View } from './view.ts';

/**
 * The physical slots of the other members, on every server, so that each member finds its slot wherever it is to stream
 * from (`ha: manage`). That of a member which is gone is kept for `member_slots_ttl`.
 */
export const memberSlotNames = onceForEach((view: View): readonly string[] => {
  const useSlots = view.self.managed?.useSlots ?? configOf(view).lead.postgresql.useSlots;
  return view.self.ha === 'manage' && useSlots ? [...view.memory.lead.memberSlots.keys()].sort() : [];
});

/** Those that are kept for members who are not there, for `status`: whoever leads next keeps them too. */
export function retainedSlots(view: View): readonly string[] {
  if (view.self.ha !== 'manage') return view.memory.lastStatus?.retainSlots ?? [];
  const present = presentSlots(view);
  return memberSlotNames(view).filter((name) => !present.includes(name));
}

/** What the newest keys say of members that are there, or have been there lately. */
export function memberSlotsAfter(view: View): LeadMemory['memberSlots'] {
  const before = view.memory.lead.memberSlots;
  const keptMs = configOf(view).lead.memberSlotsTtl * 1_000;
  const slots = new Map([...before].filter(([, atMs]) => view.nowMs - atMs < keptMs));
  for (const name of presentSlots(view)) slots.set(name, view.nowMs);
  // Another leader's finding, or that of an earlier run of this agent.
  const isOthers = before.size === 0 || !holdsLeader(view);
  if (isOthers) for (const name of view.consul.keys?.status?.value?.retainSlots ?? []) slots.set(name, view.nowMs);
  return slots;
}

function presentSlots(view: View): readonly string[] {
  const names = [...(view.consul.keys?.members.keys() ?? [])].filter((name) => name !== view.self.name);
  return names.map(slotNameFromMemberName);
}
