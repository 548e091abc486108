import type { LostSlot } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, SlotVerdict, Verdict } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import { majorOf } from '../domain/version.ts';
import { undecodableBecause } from './decodable.ts';
import { mayRestartFor, methodOf, templatesSince } from './method.ts';
import { nativeVerdict } from './native.ts';
import { wantedPhysicalSlots } from './physical-slots.ts';
import { unprotectedBecause } from './protection.ts';
import type { FollowedSlot } from './select.ts';
import {
  configOf,
  currentStatus,
  findSlot,
  followedSlots,
  freshLook,
  holdsLeader,
  isIgnored,
  isTransient,
  logicalSlots,
  physicalSlots,
} from './select.ts';
import { templateFor } from './templates.ts';
import type { View } from './view.ts';
import { excludedBecause } from './exclusion.ts';

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
        method: methodOf(view, look, slot),
      });
    }
  }
  for (const slot of logicalSlots(look)) {
    if (names.has(slot.name) && excluded === null) continue;
    if (isTransient(slot) || isTemplateName(slot.name) || isIgnored(configOf(view).ignoreSlots, slot)) continue;
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
  for (const name of wantedPhysicalSlots(view).keys()) {
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

function verdictOnStandby(
  view: View,
  look: ServerLook,
  followed: FollowedSlot,
  local: LogicalSlot | undefined,
): Verdict {
  if (followed.report.invalidation !== null) {
    return { kind: 'lost', reason: `PostgreSQL invalidated it on the primary: ${followed.report.invalidation}` };
  }
  if (methodOf(view, look, followed) === 'native') return nativeVerdict(view, look, followed, local);
  if (local === undefined) {
    const waits = missingBecause(view, look, followed);
    return notReady(waits === null ? 'not on this standby yet' : `not on this standby yet: ${waits}`);
  }
  const damage = damageOf(followed, local);
  if (damage !== null) return damage;
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
  const undecodable = undecodableBecause(view, local);
  if (undecodable !== null) return notReady(undecodable);
  const timeline = currentStatus(view.consul.keys)?.extras?.timeline;
  if (timeline !== look.timeline)
    return notReady(`this standby is on timeline ${look.timeline}, the primary on ${timeline ?? '?'}`);
  const unprotected = unprotectedBecause(view, look, local);
  if (unprotected !== null) return notReady(unprotected);
  if (isOlderThanSource(view, look, followed, local)) {
    return notReady(
      `it was here before the slot was made on the primary, so the catalog rows that it needs from ${local.catalogXmin} on may be gone: its restart position has to pass ${formatLsn(followed.report.incarnation)}`,
    );
  }
  return { kind: 'ready' };
}

/**
 * Whether the slot here is what is left of an earlier one of that name. A slot that is made on the primary takes over the
 * oldest catalog_xmin that any slot there has, also one that a standby's feedback has brought back after the rows were
 * removed: below 16, where PostgreSQL marks nothing, such a mark proves nothing for a slot that is older.
 */
export function isOlderThanSource(
  view: View,
  look: ServerLook,
  { name, report }: FollowedSlot,
  local: LogicalSlot,
): boolean {
  if (majorOf(look.versionNum) >= templatesSince || local.restartLsn === null) return false;
  const isItsCopy = view.ledger?.slots.get(name)?.incarnation === report.incarnation;
  return !isItsCopy && local.restartLsn < report.incarnation;
}

/** What a followed slot that is not here waits for; null = nothing that is known. */
function missingBecause(view: View, look: ServerLook, followed: FollowedSlot): string | null {
  const skipped = view.memory.copies.get(followed.name)?.skipped ?? null;
  if (methodOf(view, look, followed) === 'template') {
    const answer = templateFor(look, followed);
    if (answer.kind === 'making') return answer.why;
    if (answer.kind === 'newer') {
      const way = mayRestartFor(view, look) ? 'or by a file copy' : 'or allow a restart with failover_slots.restart';
      return `${answer.why}, ${skipped === null ? way : `and by a file copy it could not be: ${skipped}`}`;
    }
    return view.failures.get(`copy_from_template:${followed.name}`)?.message ?? null;
  }
  if (skipped !== null) return skipped;
  return mayRestartFor(view, look) ? null : 'it takes a restart, which failover_slots.restart does not allow';
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

function notReady(reason: string): Verdict {
  return { kind: 'not_ready', reason };
}
