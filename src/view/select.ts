import { onceForEach } from '../base/once.ts';
import type { ClusterKeys, Key, LogicalSlotReport, Member, Status } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import type { DynamicConfig, SlotMatcher } from '../domain/config.ts';
import { defaultConfig } from '../domain/default-config.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, PhysicalSlot, Slot } from '../domain/slot.ts';
import { tableSyncSlotPattern } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import { toldPosition } from './acceptance.ts';
import type { View } from './view.ts';

/** The cluster's configuration; while it has none, what whoever makes the cluster would give it. */
export function configOf(view: View): DynamicConfig {
  if (view.config !== null) return view.config;
  const isThereNone = view.consul.keys?.config === null;
  return (isThereNone ? view.self.managed?.bootstrapConfig : null) ?? defaultConfig;
}

/** The newest look, only while the server answers. */
export function freshLook(view: View): ServerLook | null {
  return view.local.contact.kind === 'good' ? view.local.look : null;
}

/** Our own session; null = none, or its lease has run out by our own clock. */
export function sessionId(view: View): string | null {
  return view.session.kind === 'held' ? view.session.id : null;
}

/** Whether this member holds the leader key with its present session, as last read. */
export function holdsLeader(view: View): boolean {
  const leader = view.consul.keys?.leader ?? null;
  return leader !== null && leader.session !== null && leader.session === sessionId(view);
}

/** Members that say of themselves that they are a running primary, and are alive by their session; sorted. */
export const primaries = onceForEach((view: View): readonly string[] => {
  const names = new Set<string>();
  for (const [name, key] of view.consul.keys?.members ?? []) {
    if (name !== view.self.name && key.session !== null && isRunningPrimary(key.value)) names.add(name);
  }
  if (freshLook(view)?.role === 'primary') names.add(view.self.name);
  return [...names].sort();
});

function isRunningPrimary(member: Member | null): boolean {
  return member !== null && member.role === 'primary' && member.state === 'running';
}

/** The status, only if the present leader wrote it in its present term: then the primary's slots are known. */
export function currentStatus(keys: ClusterKeys | null): Status | null {
  if (keys === null || leaderName(keys) === null) return null;
  const status = keys.status?.value ?? null;
  return status?.extras != null && status.extras.term === keys.leader?.modifyIndex ? status : null;
}

export function logicalSlots(look: ServerLook): readonly LogicalSlot[] {
  return look.slots.filter((slot) => slot.type === 'logical');
}

export function physicalSlots(look: ServerLook): readonly PhysicalSlot[] {
  return look.slots.filter((slot) => slot.type === 'physical');
}

export function findSlot(look: ServerLook, name: string): Slot | undefined {
  return look.slots.find((slot) => slot.name === name);
}

/** Whether `ignore_slots` covers the slot. */
export function isIgnored(matchers: readonly SlotMatcher[], slot: Slot): boolean {
  return matchers.some(
    (matcher) =>
      (matcher.name === undefined || matcher.name === slot.name) &&
      (matcher.type === undefined || matcher.type === slot.type) &&
      (matcher.database === undefined || (slot.type === 'logical' && matcher.database === slot.database)) &&
      (matcher.plugin === undefined || (slot.type === 'logical' && matcher.plugin === slot.plugin)),
  );
}

/** Slots that are nobody's business but their maker's: temporary ones and those of a subscription's first copy. */
export function isTransient(slot: Slot): boolean {
  return slot.temporary || tableSyncSlotPattern.test(slot.name);
}

/** A logical slot that standbys are to have, as the primary's `status` describes it. */
export interface FollowedSlot {
  readonly name: string;
  readonly report: LogicalSlotReport;
  /** The consumer's confirmed position on the primary. */
  readonly position: Lsn;
}

/** The logical slots that standbys are to have; null = not known (no leader, or its status is not there yet). */
export const followedSlots = onceForEach((view: View): readonly FollowedSlot[] | null => {
  const status = currentStatus(view.consul.keys);
  if (status?.extras == null) return null;
  const followed: FollowedSlot[] = [];
  for (const [name, report] of status.extras.logical) {
    const published = status.slots.get(name);
    // What somebody else wrote there all the same is nobody's to follow.
    if (published === undefined || isTemplateName(name) || tableSyncSlotPattern.test(name)) continue;
    // The leader asks whether it may go on without Consul, and says where its slots are.
    const told = toldPosition(view, name, report.incarnation);
    followed.push({ name, report, position: told !== null && told > published ? told : published });
  }
  return followed.sort((a, b) => (a.name < b.name ? -1 : 1));
});

/** The members that stream through `name`, directly or not. */
export function downstreamOf(keys: ClusterKeys, name: string): readonly string[] {
  const found = new Set<string>();
  for (let grew = true; grew;) {
    grew = false;
    for (const [member, key] of keys.members) {
      const upstream = key.value?.extras?.upstream ?? null;
      if (upstream === null || found.has(member) || member === name) continue;
      if (upstream === name || found.has(upstream)) {
        found.add(member);
        grew = true;
      }
    }
  }
  return [...found].sort();
}

/**
 * The member that this server streams from: the one whose connection URL has the receiver's host and port; else the one
 * that the tag `replicatefrom` names; else the leader when the receiver's slot is active there.
 */
export const ownUpstream = onceForEach((view: View): string | null => {
  const look = view.local.look;
  const keys = view.consul.keys;
  if (look?.role !== 'standby' || keys === null) return null;
  const host = look.receiver?.senderHost ?? look.settings.upstreamHost;
  const port = look.receiver?.senderPort ?? look.settings.upstreamPort;
  for (const [name, key] of keys.members) {
    const address = name === view.self.name ? null : addressOf(key);
    if (address !== null && address.host === host && address.port === (port ?? 5432)) return name;
  }
  const wanted = view.self.tags.replicatefrom;
  if (wanted !== null && keys.members.has(wanted)) return wanted;
  const slot = look.settings.primarySlotName;
  for (const [name, key] of keys.members) {
    if (name !== view.self.name && key.value?.extras?.physical.get(slot)?.active === true) return name;
  }
  return null;
});

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Member keys stay the same objects until they are written anew, and taking a URL apart is work. */
const addresses = new WeakMap<Key<Member>, Address | null>();

/** Where a member's server is reached, by its connection URL; null = the key does not say. */
export function addressOf(key: Key<Member>): Address | null {
  const known = addresses.get(key);
  if (known !== undefined) return known;
  const address = addressIn(key.value?.connUrl ?? null);
  addresses.set(key, address);
  return address;
}

function addressIn(url: string | null): Address | null {
  if (url === null || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  return {
    host: parsed.hostname.replaceAll(/[[\]]/g, ''),
    port: parsed.port === '' ? 5432 : Number(parsed.port),
  };
}

/** Whether a write or change of this lane has not been observed yet. A lost observation is not waited for forever. */
export function isUnconfirmed(view: View, lane: string): boolean {
  return view.nowMs < (view.unconfirmed.get(lane)?.untilMs ?? -Infinity);
}

/** The members that wait for a record of the running transactions, and are alive by their session; sorted. */
export function membersWaiting(view: View): readonly string[] {
  return [...(view.consul.keys?.members ?? [])]
    .filter(
      ([name, key]) => name !== view.self.name && key.session !== null && key.value?.extras?.wantsSnapshot === true,
    )
    .map(([name]) => name)
    .sort();
}

/** Whether the member has bid for the leader key since that is vacant, which says that its server writes no more. */
export function hasBidSinceVacant(view: View, member: string): boolean {
  const after = view.consul.keys?.members.get(member)?.value?.extras?.bid?.after ?? -1;
  return after >= (view.memory.lead.vacant?.after ?? 0);
}
