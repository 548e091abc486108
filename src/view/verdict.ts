import type { LostSlot } from '../domain/cluster.ts';
import { formatLsn, snapshotFileName } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, SlotVerdict, Verdict } from '../domain/slot.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { protectionOf } from './chain.ts';
import type { FollowedSlot } from './select.ts';
import {
  configOf,
  currentStatus,
  excludedBecause,
  findSlot,
  followedSlots,
  freshLook,
  holdsLeader,
  isIgnored,
  isTransient,
  logicalSlots,
  physicalSlots,
} from './select.ts';
import type { View } from './view.ts';

/**
 * What can be said of every followed, declared or left-over slot on this member (rule S2), sorted by name. Empty while
 * the server does not answer or the primary's slots are not known: no verdict is better than an old one.
 */
export function verdictsOf(view: View): readonly SlotVerdict[] {
  const look = freshLook(view);
  if (look === null) return [];
  const verdicts = look.role === 'primary' ? onPrimary(view, look) : onStandby(view, look);
  return [...verdicts].sort((a, b) => (a.slot < b.slot ? -1 : 1));
}

function onPrimary(view: View, look: ServerLook): SlotVerdict[] {
  const config = configOf(view);
  const status = currentStatus(view.consul.keys);
  const lost: ReadonlyMap<string, LostSlot> = status?.extras?.lost ?? new Map<string, LostSlot>();
  const names = new Set([...(status?.extras?.logical.keys() ?? []), ...lost.keys()]);
  for (const [name, declared] of config.slots) if (declared.type === 'logical') names.add(name);
  const verdicts: SlotVerdict[] = [];
  for (const name of names) {
    const slot = findSlot(look, name);
    if (slot !== undefined && slot.type !== 'logical') continue;
    verdicts.push({
      slot: name,
      type: 'logical',
      verdict: verdictOnPrimary(slot, lost.get(name), holdsLeader(view)),
      position: slot?.confirmedFlushLsn ?? null,
    });
  }
  return [...verdicts, ...declaredPhysical(view, look)];
}

function verdictOnPrimary(slot: LogicalSlot | undefined, lost: LostSlot | undefined, leads: boolean): Verdict {
  if (slot === undefined) {
    if (lost !== undefined) return { kind: 'lost', reason: `${lost.why}; changes from ${formatLsn(lost.from)} on` };
    return notReady(leads ? 'not created yet' : 'not created: this member does not hold the leader key');
  }
  const invalid = invalidationOf(slot);
  if (invalid !== null) return { kind: 'lost', reason: `PostgreSQL invalidated it: ${invalid}` };
  return slot.confirmedFlushLsn === null ? notReady('it is being made') : { kind: 'ready' };
}

function onStandby(view: View, look: ServerLook): SlotVerdict[] {
  const followed = followedSlots(view);
  if (followed === null) return [];
  const excluded = excludedBecause(view);
  const names = new Set(followed.map((slot) => slot.name));
  const verdicts: SlotVerdict[] = [];
  if (excluded === null) {
    for (const slot of followed) {
      const local = findSlot(look, slot.name);
      verdicts.push({
        slot: slot.name,
        type: 'logical',
        verdict: verdictOnStandby(view, look, slot, local?.type === 'logical' ? local : undefined),
        position: local?.type === 'logical' ? local.confirmedFlushLsn : null,
      });
    }
  }
  for (const slot of logicalSlots(look)) {
    if (names.has(slot.name) && excluded === null) continue;
    if (isTransient(slot) || isIgnored(configOf(view).ignoreSlots, slot)) continue;
    const reason = excluded !== null && names.has(slot.name) ? excluded : 'the primary has no such slot to follow';
    verdicts.push({
      slot: slot.name,
      type: 'logical',
      verdict: { kind: 'orphan', reason },
      position: slot.confirmedFlushLsn,
    });
  }
  return [...verdicts, ...declaredPhysical(view, look)];
}

function declaredPhysical(view: View, look: ServerLook): SlotVerdict[] {
  const verdicts: SlotVerdict[] = [];
  const present = new Map(physicalSlots(look).map((slot) => [slot.name, slot]));
  for (const name of declaredPhysicalNames(view)) {
    const slot = present.get(name);
    const verdict: Verdict =
      slot === undefined
        ? notReady('not created yet')
        : slot.walStatus === 'lost'
          ? { kind: 'lost', reason: 'its WAL was removed' }
          : slot.restartLsn === null
            ? notReady('it reserves no WAL until it is used for the first time')
            : { kind: 'ready' };
    verdicts.push({ slot: name, type: 'physical', verdict, position: slot?.restartLsn ?? null });
  }
  return verdicts;
}

/** The physical slots that this server is to have: all that are declared but the one through which it would stream from itself. */
export function declaredPhysicalNames(view: View): readonly string[] {
  const own = view.local.look?.settings.primarySlotName ?? '';
  const mine = slotNameFromMemberName(view.self.name);
  return [...configOf(view).slots]
    .filter(([name, slot]) => slot.type === 'physical' && name !== mine && name !== own)
    .map(([name]) => name);
}

function verdictOnStandby(
  view: View,
  look: ServerLook,
  followed: FollowedSlot,
  local: LogicalSlot | undefined,
): Verdict {
  if (followed.report.invalidation !== null) {
    return { kind: 'lost', reason: `PostgreSQL invalidated it on the primary: ${followed.report.invalidation}` };
  }
  if (local === undefined) {
    const skipped = view.memory.copies.get(followed.name)?.skipped ?? null;
    return notReady(skipped === null ? 'not on this standby yet' : `not on this standby yet: ${skipped}`);
  }
  const damage = damageOf(followed, local);
  if (damage !== null) return damage;
  if (local.synced) {
    return local.temporary
      ? notReady("PostgreSQL's own synchronisation has not made it persistent yet")
      : { kind: 'ready' };
  }
  if (local.temporary) return notReady('it is a temporary slot');
  const position = local.confirmedFlushLsn;
  if (position !== null && position > followed.position) {
    return {
      kind: 'ahead',
      reason: `at ${formatLsn(position)}, while the consumer has confirmed ${formatLsn(followed.position)} on the primary`,
    };
  }
  if (position === null || local.restartLsn === null || local.catalogXmin === null)
    return notReady('it has no position yet');
  if (position > (look.replayedLsn ?? 0n)) {
    return notReady(
      `at ${formatLsn(position)}, while this standby has replayed only to ${formatLsn(look.replayedLsn ?? 0n)}`,
    );
  }
  if (view.ledger === null) return notReady('the agent has just started');
  if (view.ledger.slots.get(local.name)?.decodable !== true) {
    return notReady(
      `decoding may start too late: the snapshot ${snapshotFileName(local.restartLsn)} is not here, and restart_lsn has not moved yet`,
    );
  }
  const timeline = currentStatus(view.consul.keys)?.extras?.timeline;
  if (timeline !== look.timeline)
    return notReady(`this standby is on timeline ${look.timeline}, the primary on ${timeline ?? '?'}`);
  const protection = protectionOf(view, local.catalogXmin);
  if (protection.kind === 'unprotected') return notReady(protection.why);
  const from = view.memory.slots.get(local.name)?.protectedFrom ?? null;
  if (from === null) return notReady('the primary has not confirmed yet that catalog rows are protected all the way');
  if (xidPrecedes(local.catalogXmin, from)) {
    return notReady(
      `its catalog_xmin ${local.catalogXmin} is older than ${from}, from which on catalog rows are known to be protected`,
    );
  }
  return { kind: 'ready' };
}

/** Why the local slot can't serve and has to be replaced; null = it can. */
export function damageOf(followed: FollowedSlot, local: LogicalSlot): Verdict | null {
  if (
    local.database !== followed.report.database ||
    local.plugin !== followed.report.plugin ||
    local.twoPhase !== followed.report.twoPhase
  ) {
    const here = `${local.plugin} in ${local.database}${local.twoPhase ? ', two_phase' : ''}`;
    const there = `${followed.report.plugin} in ${followed.report.database}${followed.report.twoPhase ? ', two_phase' : ''}`;
    return notReady(`it is another slot of that name: ${here} here, ${there} on the primary`);
  }
  const invalid = invalidationOf(local);
  if (invalid !== null) return { kind: 'lost', reason: `PostgreSQL invalidated it here: ${invalid}` };
  if (local.walOnDisk === false) {
    return {
      kind: 'lost',
      reason: `the WAL at its restart position ${local.restartLsn === null ? '?' : formatLsn(local.restartLsn)} is not on this standby`,
    };
  }
  return null;
}

export function invalidationOf(slot: LogicalSlot): string | null {
  return slot.invalidation ?? (slot.walStatus === 'lost' ? 'wal_removed' : null);
}

function notReady(reason: string): Verdict {
  return { kind: 'not_ready', reason };
}
