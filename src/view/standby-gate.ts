import type { ActionOf } from '../domain/action.ts';
import type { Member } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { AlterableSetting, ServerLook } from '../domain/server.ts';
import type { PhysicalSlot } from '../domain/slot.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { configOf, findSlot, freshLook } from './select.ts';
import type { GateMemory, GateSlotMemory, View } from './view.ts';

/** The settings that make the gate, PostgreSQL's own and those of the extension. */
export const gateSettings: readonly AlterableSetting[] = [
  'synchronized_standby_slots',
  'pg_failover_slots.standby_slot_names',
  'pg_failover_slots.standby_slots_min_confirmed',
];

/** What is written is on a healthy standby within milliseconds: one that takes longer than this is not in service. */
const confirmsWithinMs = 1_000;

/** A physical slot that the configuration asks the gate to wait for. */
interface AskedSlot {
  readonly name: string;
  readonly member: string | null;
}

/**
 * Keeps what is known of the physical slots that `failover_slots.standby_slot_names` asks for: which of them are in
 * service, and since when the others are not. Made anew from each View and from what was remembered in the one before.
 */
export function rememberGate(view: View): View {
  const look = freshLook(view);
  if (look === null) return view;
  const { gate } = view.memory;
  const slots = slotsOf(view, look);
  return slots === null && gate.slots === null
    ? view
    : { ...view, memory: { ...view.memory, gate: { ...gate, slots } } };
}

/** What is remembered of the gate once settings were changed: the last change of its own, so that one without effect shows. */
export function gateAfterChange(view: View, { changes }: ActionOf<'alter_settings'>): GateMemory {
  const { gate } = view.memory;
  if (!changes.some(({ name }) => gateSettings.includes(name))) return gate;
  const serverStartedAtWallMs = view.local.look?.startedAtWallMs ?? null;
  return { ...gate, lastChange: { changes, atMs: view.nowMs, serverStartedAtWallMs } };
}

/** The physical slots that the extension, where it is loaded, or else PostgreSQL is told to wait for at present. */
export function listedSlots(look: ServerLook): readonly string[] {
  const { failoverSlotsExtension, synchronizedStandbySlots } = look.settings;
  return failoverSlotsExtension?.standbySlotNames ?? synchronizedStandbySlots ?? [];
}

function slotsOf(view: View, look: ServerLook): GateMemory['slots'] {
  const wanted = configOf(view).failoverSlots.standbySlotNames;
  if (look.role !== 'primary' || wanted === null || view.consul.keys === null) return null;
  const asked = wanted === 'all' ? everyStandby(view, look) : wanted.flatMap((name) => slotByName(view, look, name));
  return new Map(asked.map((slot) => [slot.name, stateOf(view, look, slot)]));
}

/**
 * The slots of all other members that may be promoted. One whose key is gone cannot say any more that it is such a
 * member: its slot stays asked for as long as it is here, so that a death by itself takes nobody out.
 */
function everyStandby(view: View, look: ServerLook): readonly AskedSlot[] {
  const asked = new Map<string, string | null>();
  const others = new Set([slotNameFromMemberName(view.self.name)]);
  for (const [member, { tags }] of livingMembers(view)) {
    const name = slotOfMember(view, member);
    if (tags.nofailover || tags.nostream) others.add(name);
    else asked.set(name, member);
  }
  for (const [name, member] of formerSlots(view, look)) {
    if (findSlot(look, name) !== undefined && !asked.has(name)) asked.set(name, member);
  }
  return [...asked].map(([name, member]) => ({ name, member })).filter(({ name }) => !others.has(name));
}

/** What was asked for a moment ago, each with its member; after a restart of the agent, what an earlier run has listed. */
function formerSlots(view: View, look: ServerLook): readonly (readonly [string, string | null])[] {
  const { slots } = view.memory.gate;
  if (slots !== null) return [...slots].map(([name, { member }]) => [name, member]);
  const isOurs = view.ledger?.settingsSet.some((name) => gateSettings.includes(name)) === true;
  return isOurs ? listedSlots(look).map((name) => [name, null]) : [];
}

/** A name in the configuration is that of a member or of a slot. The primary does not wait for itself. */
function slotByName(view: View, look: ServerLook, wanted: string): readonly AskedSlot[] {
  const living = livingMembers(view);
  if (living.has(wanted)) return [{ name: slotOfMember(view, wanted), member: wanted }];
  const name = findSlot(look, wanted)?.type === 'physical' ? wanted : slotNameFromMemberName(wanted);
  if (wanted === view.self.name || name === slotNameFromMemberName(view.self.name)) return [];
  const owner = [...living.keys()].find((member) => slotOfMember(view, member) === name);
  return [{ name, member: owner ?? view.memory.gate.slots?.get(name)?.member ?? null }];
}

/** The other members whose agents are alive by their sessions. */
function livingMembers(view: View): ReadonlyMap<string, Member> {
  const living = new Map<string, Member>();
  for (const [name, { session, value }] of view.consul.keys?.members ?? []) {
    if (name !== view.self.name && session !== null && value !== null) living.set(name, value);
  }
  return living;
}

/** The slot through which a member streams from this server, or would. */
function slotOfMember(view: View, name: string): string {
  const extras = livingMembers(view).get(name)?.extras ?? null;
  const used = extras?.upstream === view.self.name ? extras.primarySlotName : null;
  return used ?? slotNameFromMemberName(name);
}

function stateOf(view: View, look: ServerLook, { name, member }: AskedSlot): GateSlotMemory {
  const before = view.memory.gate.slots?.get(name);
  const slot = findSlot(look, name);
  const unlistable = (why: string): GateSlotMemory => {
    const out = { why, sinceMs: before?.out?.sinceMs ?? view.nowMs };
    return { member, owes: null, out, isListable: false, isCounted: false };
  };
  if (slot?.type !== 'physical') return unlistable('there is no physical slot of this name on the primary');
  if (slot.walStatus === 'lost') return unlistable('its WAL was removed');
  if (slot.restartLsn === null) return unlistable('it reserves no WAL yet');
  const upstream = upstreamOf(view, member);
  if (!slot.active && upstream !== null && upstream !== view.self.name)
    return unlistable(`it streams from ${upstream}`);

  const end = look.currentLsn ?? slot.restartLsn;
  const owes = owedBy(view, end, slot.restartLsn, before?.owes ?? null);
  const lateSinceMs = owes !== null && view.nowMs - owes.sinceMs >= confirmsWithinMs ? owes.sinceMs : null;
  const wasCounted = before === undefined ? isTrusted(view, look, name) : before.isCounted;
  const why =
    outBecause(view, slot, member, end - slot.restartLsn, wasCounted) ??
    (lateSinceMs === null ? null : 'it does not confirm what is written');
  if (why === null) return { member, owes, out: null, isListable: true, isCounted: true };
  const sinceMs = Math.min(before?.out?.sinceMs ?? view.nowMs, lateSinceMs ?? view.nowMs);
  const isCounted = wasCounted && isInGrace(view, sinceMs);
  return { member, owes, out: { why, sinceMs }, isListable: true, isCounted };
}

function upstreamOf(view: View, member: string | null): string | null {
  return member === null ? null : (livingMembers(view).get(member)?.extras?.upstream ?? null);
}

/** What a consumer waits for is the oldest position that the slot has not confirmed: its age is how long. */
function owedBy(view: View, end: Lsn, confirmed: Lsn, before: GateSlotMemory['owes']): GateSlotMemory['owes'] {
  if (confirmed >= end) return null;
  if (before !== null && confirmed < before.lsn) return before;
  return { lsn: end, sinceMs: view.local.lookedAtMs ?? view.nowMs };
}

/** Why the slot is not in service at this moment; null = it is, as far as one moment can tell. */
function outBecause(
  view: View,
  slot: PhysicalSlot,
  member: string | null,
  lagBytes: bigint,
  wasCounted: boolean,
): string | null {
  if (member !== null && !livingMembers(view).has(member)) return `the key of its member ${member} is gone`;
  if (!slot.active) return 'nobody streams through it';
  const { standbySlotsMaxLagBytes } = configOf(view).failoverSlots;
  // Half the bound to come back, so that one that stays near the bound is not taken out and in again all the time.
  const bound = BigInt(standbySlotsMaxLagBytes) / (wasCounted ? 1n : 2n);
  return lagBytes > bound ? `it is too far behind (standby_slots_max_lag is ${standbySlotsMaxLagBytes} bytes)` : null;
}

/**
 * Whether a slot that was not known before counts until it has been out of service for the grace: when the gate is first
 * kept, all do; after a restart of the agent those that an earlier run has not taken out. Whoever comes later (a new
 * standby, say, with all of the WAL before it) has to be in service first.
 */
function isTrusted(view: View, look: ServerLook, name: string): boolean {
  const listed = listedSlots(look);
  return view.memory.gate.slots === null && (listed.length === 0 || listed.includes(name));
}

function isInGrace(view: View, sinceMs: number): boolean {
  const { standbySlotsGraceSeconds } = configOf(view).failoverSlots;
  return standbySlotsGraceSeconds === -1 || view.nowMs - sinceMs < standbySlotsGraceSeconds * 1_000;
}
