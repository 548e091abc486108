import { slotNameFromMemberName } from '../domain/slot.ts';
import { hasMemberSlots } from './physical-slots.ts';
import { configOf, currentStatus, holdsLeader } from './select.ts';
import type { LeadMemory, View } from './view.ts';

/**
 * The slots of all members, this one's too, that are kept also when the member's key is gone, for `status`: whoever leads
 * next keeps them. Declared ones are kept anyway.
 */
export function retainedSlots(view: View): readonly string[] {
  if (view.self.ha !== 'manage') return view.memory.lastStatus?.retainSlots ?? [];
  const { slots, lead } = configOf(view);
  if (!hasMemberSlots(view) || lead.memberSlotsTtl === 0) return [];
  const own = view.self.tags.nostream ? [] : [slotNameFromMemberName(view.self.name)];
  return [...new Set([...view.memory.lead.memberSlots.keys(), ...own])]
    .filter((name) => slots.get(name)?.type !== 'physical')
    .sort();
}

/**
 * Whose slots are kept, after the newest keys: those of members that are there, and for `member_slots_ttl` of those that
 * are not any more. The leader measures that time; the others keep what it keeps.
 */
export function memberSlotsAfter(view: View): LeadMemory['memberSlots'] {
  const before = view.memory.lead.memberSlots;
  const keptMs = configOf(view).lead.memberSlotsTtl * 1_000;
  const own = slotNameFromMemberName(view.self.name);
  // Another leader's finding, or that of an earlier run of this agent: whoever begins to lead begins to count.
  const isOthers = before.size === 0 || !holdsLeader(view);
  const retained = isOthers ? (view.consul.keys?.status?.value?.retainSlots ?? []) : [];
  const isLeadersWord = !holdsLeader(view) && currentStatus(view.consul.keys) !== null;
  const slots = new Map(isLeadersWord ? [] : [...before].filter(([, atMs]) => view.nowMs - atMs < keptMs));
  for (const name of [...presentSlots(view), ...retained]) if (name !== own) slots.set(name, view.nowMs);
  return slots;
}

function presentSlots(view: View): readonly string[] {
  return [...(view.consul.keys?.members ?? [])]
    .filter(([, key]) => key.value?.tags.nostream !== true)
    .map(([member]) => slotNameFromMemberName(member));
}
