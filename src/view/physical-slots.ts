import { onceForEach } from '../base/once.ts';
import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { configOf, freshLook, holdsLeader } from './select.ts';
import type { View } from './view.ts';

/**
 * Who is to stream through a physical slot: its member from here, its member from another server, or nobody that is known
 * (the member is gone, or the slot was declared for something outside of the cluster).
 */
export type SlotUse = 'here' | 'elsewhere' | 'unknown';

/**
 * The physical slots that this server is to have: all that are declared, and those of the other members where slotkeeper
 * manages the servers, so that whoever streams finds its slot wherever it is to stream from next; but not the one through
 * which it would stream from itself. A standby that is never promoted has those of the members that stream from it.
 */
export const wantedPhysicalSlots = onceForEach((view: View): ReadonlyMap<string, SlotUse> => {
  const wanted = new Map<string, SlotUse>();
  const isLast = view.self.tags.nofailover && freshLook(view)?.role !== 'primary';
  const isKept = configOf(view).lead.memberSlotsTtl > 0;
  if (hasMemberSlots(view)) {
    for (const [slot, use] of membersSlots(view)) {
      if (use === 'here' || (isKept && !isLast)) wanted.set(slot, use);
    }
    for (const slot of view.memory.lead.memberSlots.keys())
      if (isKept && !isLast && !wanted.has(slot)) wanted.set(slot, 'unknown');
  }
  for (const [slot, { type }] of configOf(view).slots)
    if (type === 'physical' && !isLast && !wanted.has(slot)) wanted.set(slot, 'unknown');
  wanted.delete(slotNameFromMemberName(view.self.name));
  wanted.delete(view.local.look?.settings.primarySlotName ?? '');
  return new Map([...wanted].sort(([a], [b]) => (a < b ? -1 : 1)));
});

/** Whether members stream through slots that slotkeeper makes. */
export function hasMemberSlots(view: View): boolean {
  return view.self.ha === 'manage' && (view.self.managed?.useSlots ?? configOf(view).lead.postgresql.useSlots);
}

/** The slots of the other members that are there and stream at all. Two members can share one: who streams here counts. */
function membersSlots(view: View): ReadonlyMap<string, SlotUse> {
  const { keys } = view.consul;
  const slots = new Map<string, SlotUse>();
  for (const [member, { value }] of keys?.members ?? []) {
    if (keys === null || member === view.self.name || value?.tags.nostream === true) continue;
    const slot = slotNameFromMemberName(member);
    const isHere = isToStreamFromHere(view, keys, member) || slots.get(slot) === 'here';
    slots.set(slot, isHere ? 'here' : 'elsewhere');
  }
  return slots;
}

function isToStreamFromHere(view: View, keys: ClusterKeys, member: string): boolean {
  const from = keys.members.get(member)?.value?.tags.replicatefrom ?? null;
  if (from === view.self.name) return member !== leaderName(keys);
  // Whose source does not run streams from the leader.
  const source = from === null ? undefined : keys.members.get(from);
  const isElsewhere = source !== undefined && source.session !== null && source.value?.state === 'running';
  return holdsLeader(view) && !isElsewhere;
}
