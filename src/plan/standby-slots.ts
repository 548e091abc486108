import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, Method } from '../domain/slot.ts';
import { minLsn } from '../domain/lsn.ts';
import { isTemplateName } from '../domain/template.ts';
import type { FollowedSlot } from '../view/select.ts';
import {
  configOf,
  currentStatus,
  findSlot,
  followedSlots,
  freshLook,
  isIgnored,
  isTransient,
  logicalSlots,
} from '../view/select.ts';
import { mayRestartFor, methodOf } from '../view/method.ts';
import { templateFor } from '../view/templates.ts';
import { damageOf, isOlderThanSource } from '../view/verdict.ts';
import { standbyClusterOf } from '../view/standby-cluster.ts';
import type { View } from '../view/view.ts';
import { planCopy } from './copy.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { severalPrimaries } from './leadership.ts';
import { dropUnused } from './primary-slots.ts';
import { planTemplateCopies, planTemplates } from './templates.ts';
import { excludedBecause } from '../view/exclusion.ts';

/** How long a slot may stay ahead of its consumer before it is replaced: most consumers pass it long before. */
const aheadPatienceMs = 60_000;
/** How long a consumer has to pass what its slot waits for before that costs a restart. */
const consumerPatienceMs = 10_000;
/** One long advance must not put off the next, which may be short, for as long. */
const longestPauseMs = 10_000;

/** Logical slots on a standby: missing ones are copied, the others advanced, what nobody follows is dropped. */
export function planStandbySlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby') return [];
  const several = severalPrimaries(view);
  if (several !== null) return [hold('slots', several)];
  const followed = followedSlots(view);
  if (followed === null)
    return [hold('slots', "the primary's slots are not known: no leader, or it has not published them yet")];
  if (view.ledger === null) return [hold('slots', 'the ledger has not been read yet')];
  const excluded = excludedBecause(view);
  if (excluded !== null)
    return [hold('slots', excluded), ...dropLeftovers(view, look, []), ...planTemplates(view, look, [])];
  const timeline = currentStatus(view.consul.keys)?.extras?.timeline;
  if (timeline !== look.timeline) {
    return [
      hold('slots', `this standby is on timeline ${look.timeline}, the primary on ${timeline ?? 'an unknown one'}`),
    ];
  }
  const isMissing = (slot: FollowedSlot): boolean => findSlot(look, slot.name) === undefined;
  const by = (method: Method): readonly FollowedSlot[] =>
    followed.filter((slot) => methodOf(view, look, slot) === method);
  const ours = followed.filter((slot) => methodOf(view, look, slot) !== 'native');
  const damaged = ours.filter((slot) => needsReplacement(view, look, slot));
  const fromTemplate = by('template').filter((slot) => isMissing(slot) || damaged.includes(slot));
  const toFileCopy = [...by('file_copy'), ...fromTemplate.filter((slot) => isFileCopyDue(view, look, slot))];
  return [
    ...ours.flatMap((slot) => [...inTheWay(look, slot), ...advance(view, look, slot)]),
    ...planCopy(
      view,
      look,
      toFileCopy.filter(isMissing),
      toFileCopy.filter((slot) => damaged.includes(slot)),
    ),
    ...planTemplates(view, look, fromTemplate),
    ...planTemplateCopies(
      view,
      look,
      fromTemplate.filter((slot) => isMissing(slot) && !toFileCopy.includes(slot)),
      fromTemplate.filter((slot) => damaged.includes(slot) && !toFileCopy.includes(slot)),
    ),
    ...dropLeftovers(view, look, followed),
  ];
}

/**
 * A slot that is older than the template is copied by file where a restart is allowed, unless its consumer passes the
 * template soon.
 */
function isFileCopyDue(view: View, look: ServerLook, slot: FollowedSlot): boolean {
  if (!mayRestartFor(view, look) || templateFor(look, slot).kind !== 'newer') return false;
  return view.nowMs - view.memory.missing.sinceMs >= consumerPatienceMs;
}

function localLogical(look: ServerLook, name: string): LogicalSlot | null {
  const slot = findSlot(look, name);
  return slot?.type === 'logical' ? slot : null;
}

/** Why a followed slot can neither be used nor replaced here. */
function inTheWay(look: ServerLook, followed: FollowedSlot): readonly Intent[] {
  const local = findSlot(look, followed.name);
  if (local === undefined) return [];
  if (local.type === 'physical') return [hold(`slot ${followed.name}`, 'a physical slot has its name here')];
  const damage = damageOf(followed, local);
  if (damage === null || damage.kind === 'ready' || !(local.active || local.synced || local.temporary)) return [];
  return [hold(`slot ${followed.name}`, `it is to be replaced, but it is in use: ${damage.reason}`)];
}

/**
 * Damaged slots, other slots of the same name, those that stay ahead, and those that stay older than the one on the primary
 * (a copy too whose agent died before it knew) are replaced by a new copy.
 */
function needsReplacement(view: View, look: ServerLook, followed: FollowedSlot): boolean {
  const local = localLogical(look, followed.name);
  if (local === null || local.active || local.synced || local.temporary) return false;
  // The leader may not have read yet what this member has.
  if (isIgnored(configOf(view).ignoreSlots, local)) return false;
  if (damageOf(followed, local) !== null) return true;
  const movedAtMs = view.memory.consumers.get(followed.name)?.movedAtMs ?? view.nowMs;
  if (isOlderThanSource(view, look, followed, local) && view.nowMs - movedAtMs >= consumerPatienceMs) return true;
  const aheadSinceMs = view.memory.slots.get(followed.name)?.aheadSinceMs ?? null;
  return aheadSinceMs !== null && view.nowMs - aheadSinceMs >= aheadPatienceMs;
}

/**
 * S1: the target is the consumer's confirmed position on the primary, and the statement itself goes no further than
 * what is replayed here; a slot is never moved backward.
 */
function advance(view: View, look: ServerLook, followed: FollowedSlot): readonly Intent[] {
  const local = localLogical(look, followed.name);
  if (local?.confirmedFlushLsn == null || local.synced || local.temporary) return [];
  if (local.confirmedFlushLsn >= followed.position) return [];
  if (damageOf(followed, local) !== null || followed.report.invalidation !== null) return [];
  if (local.active) return [hold(`slot ${followed.name}`, 'somebody decodes from it on this standby')];
  const last = view.memory.slots.get(followed.name)?.lastAdvance ?? null;
  if (last !== null) {
    // What the last advance could not reach was not replayed yet: only a newer look can say that it is now.
    const isOutOfReach = minLsn(followed.position, look.replayedLsn ?? 0n) <= local.confirmedFlushLsn;
    if (last.reached < last.target && isOutOfReach)
      return [hold(`slot ${followed.name}`, 'this standby has not replayed that far yet')];
    // Every advance decodes from restart_lsn again, however small its step (FACTS 2): never more than half of the time.
    if (view.nowMs < last.endedAtMs + Math.min(last.tookMs, longestPauseMs)) return [];
  }
  return [
    act({ kind: 'advance_logical_slot', slot: followed.name, database: local.database, target: followed.position }),
  ];
}

/** S4: what nobody follows or ignores pins WAL and xmin for nobody. */
function dropLeftovers(view: View, look: ServerLook, followed: readonly FollowedSlot[]): readonly Intent[] {
  const config = configOf(view);
  if (view.config === null || !config.failoverSlots.dropExtraSlots) return [];
  // What is followed may have changed since Consul was heard of last.
  if (view.consul.contact.kind !== 'good') return [hold('leftover slots', 'Consul does not answer')];
  const names = new Set(followed.map((slot) => slot.name));
  const isKept = view.self.ha === 'observe' || standbyClusterOf(view) === null;
  const lost = isKept ? currentStatus(view.consul.keys)?.extras?.lost : undefined;
  return (
    logicalSlots(look)
      .filter(
        (slot) => !names.has(slot.name) && !isTransient(slot) && !slot.synced && !isIgnored(config.ignoreSlots, slot),
      )
      .filter((slot) => !isTemplateName(slot.name))
      // The last copy of a slot that the primary lost may be all that is left of it.
      .filter((slot) => lost?.has(slot.name) !== true)
      .map((slot) => dropUnused(view, slot, 'nobody follows it'))
  );
}
