import type { Action } from '../domain/action.ts';
import { keyOf } from '../domain/action.ts';
import type { AlterableSetting, ServerLook } from '../domain/server.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { needsFeedback } from '../view/feedback.ts';
import { isNativePossible, nativeSince } from '../view/method.ts';
import type { NativeSetting } from '../view/native.ts';
import {
  awaitedNativeSlots,
  isCascade,
  isOnTimeline,
  missingNativeSettings,
  nativeSlots,
  nativeVerdict,
} from '../view/native.ts';
import { configOf, currentStatus, followedSlots, freshLook, logicalSlots } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { severalPrimaries } from './leadership.ts';
import { planOrphans } from './native-orphans.ts';
import { excludedBecause } from '../view/exclusion.ts';

/** How long after a change without effect the next one is tried; a reload takes effect within a fraction of a second. */
const overruledForMs = 60_000;
/**
 * PostgreSQL's worker looks by itself after 0.2 to 30 s, and comes back up to a minute after it ended (FACTS 3). Being asked
 * costs a reload, so it is asked less and less often: the next wait is a part of the whole one so far.
 */
const firstSyncMs = 500;
const syncShare = 0.2;
const leastBetweenSyncsMs = 1_000;
const mostBetweenNewsMs = 5_000;
const mostBetweenSyncsMs = 60_000;
/** A slot that stays behind shows that the worker sleeps or is gone. */
const behindPatienceMs = 2_000;
const behindEveryMs = 5_000;

/**
 * What PostgreSQL's own slot synchronisation leaves to the operator of a standby: its settings, and the slots that stop it.
 * Also in pause, like hot_standby_feedback: a reload interrupts nothing, and without it slots would stand still; only
 * nothing is dropped then.
 */
export function planNative(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby' || majorOf(look.versionNum) < nativeSince) return [];
  if (view.config === null || view.ledger === null || severalPrimaries(view) !== null) return [];
  // While the primary's slots are not known, or are another timeline's, nothing is begun and nothing taken back.
  if (followedSlots(view) === null || !isOnTimeline(view, look)) return [];
  const left = leftToPostgres(view, look);
  if (!isSynchronisedHere(view, look)) return [...takeBack(view, look), ...left];
  if (hasToBeSet(view, look)) return [...planSettings(view, look), ...left];
  const orphans = planOrphans(view, look);
  if (orphans.length > 0) return [...orphans, ...left];
  return [...(missingNativeSettings(look).length > 0 ? planSettings(view, look) : planSync(view, look)), ...left];
}

/**
 * Whether settings come before orphans: what may be a good copy is not given up for a synchronisation that cannot begin.
 * Only synchronisation itself is switched on afterwards, by who may do so for sure: its worker ends at the first orphan, and
 * does not come back for ten seconds.
 */
function hasToBeSet(view: View, look: ServerLook): boolean {
  const last = 'sync_replication_slots';
  const isSure =
    look.privileges.superuser && !view.failures.has(keyOf(settingAction(view, look, last))) && !isOverruled(view, last);
  return missingNativeSettings(look).some((name) => name !== last || !isSure);
}

/**
 * While PostgreSQL has slots here its synchronisation goes on, whatever the configuration says by now: nobody else can move
 * or drop a slot that it made, and one that stands still holds WAL and catalog rows for ever.
 */
export function isSynchronisedHere(view: View, look: ServerLook): boolean {
  if (!isNativePossible(view, look)) return false;
  if (look.settings.syncReplicationSlots === true && logicalSlots(look).some((slot) => slot.synced)) return true;
  if (excludedBecause(view) !== null) return false;
  return configOf(view).failoverSlots.method === 'native' || nativeSlots(view, look).length > 0;
}

/** The first setting that is missing. One at a time: they share a lane, and each is seen before the next one is set. */
function planSettings(view: View, look: ServerLook): readonly Intent[] {
  const [missing] = missingNativeSettings(look).filter((name) => name !== 'hot_standby_feedback');
  if (!look.settings.hotStandbyFeedback) {
    // It is switched on where slots need it (`feedback.ts`); the worker without it would only complain in the server's log.
    if (needsFeedback(view) || missing === undefined || missing === 'sync_replication_slots') return [];
  }
  if (missing === undefined) return [];
  const why = settingObstacle(view, missing);
  return [why === null ? act(settingAction(view, look, missing)) : hold(missing, why)];
}

/** The action that sets what is missing. */
export function settingAction(view: View, look: ServerLook, name: NativeSetting): Action {
  if (name === 'dbname in primary_conninfo') {
    const database = look.databases.includes('postgres') ? 'postgres' : (look.databases[0] ?? 'postgres');
    return { kind: 'set_upstream_database', database };
  }
  const change =
    name === 'primary_slot_name'
      ? ({ name, value: slotNameFromMemberName(view.self.name) } as const)
      : ({ name: 'sync_replication_slots', value: 'on' } as const);
  return { kind: 'alter_settings', changes: [change], why: "PostgreSQL's slot synchronisation needs it" };
}

/** Why a setting cannot be set now; null = it can. */
function settingObstacle(view: View, name: NativeSetting): string | null {
  if (isOverruled(view, name)) return 'it was set, and the server still says that it is not';
  return name === 'primary_slot_name' ? slotNameObstacle(view) : null;
}

/** Whether setting it had no effect: something that counts more, a command line option say, says otherwise. */
export function isOverruled(view: View, name: NativeSetting): boolean {
  const changedAtMs = view.memory.native.settings.get(name);
  return changedAtMs !== undefined && view.nowMs - changedAtMs < overruledForMs;
}

/** A physical slot that reserves nothing, or through which somebody else streams, is not for this standby. */
function slotNameObstacle(view: View): string | null {
  const name = slotNameFromMemberName(view.self.name);
  const slot = currentStatus(view.consul.keys)?.extras?.physical.get(name);
  if (slot === undefined) return `the primary has no physical slot ${name}`;
  if (slot.restartLsn === null) return `the physical slot ${name} on the primary reserves no WAL yet`;
  return slot.active ? `somebody else streams through the physical slot ${name} on the primary` : null;
}

/**
 * What slotkeeper set and nobody needs any more. On a cascade PostgreSQL refuses to synchronise (FACTS 3); while it is not
 * known where this standby streams from, nothing is taken back.
 */
function takeBack(view: View, look: ServerLook): readonly Intent[] {
  if (!isCascade(view) && !isNativePossible(view, look)) return [];
  const ours = view.ledger?.settingsSet ?? [];
  const isUnneeded: readonly (readonly [AlterableSetting, boolean])[] = [
    ['sync_replication_slots', look.settings.syncReplicationSlots === true],
    // The physical slot protects catalog rows for every other kind of slot too.
    ['primary_slot_name', look.settings.primarySlotName !== '' && !needsFeedback(view)],
  ];
  const changes = isUnneeded
    .filter(([name, isSet]) => isSet && ours.includes(name))
    .map(([name]) => ({ name, value: null }));
  if (changes.length === 0) return [];
  return [act({ kind: 'alter_settings', changes, why: 'no slot is synchronised by PostgreSQL here' })];
}

/** Asks PostgreSQL to synchronise at once where it would do so much later, or would not begin again for a minute. */
function planSync(view: View, look: ServerLook): readonly Intent[] {
  const awaited = awaitedNativeSlots(view, look);
  if (isSyncDue(view, awaited.length > 0)) return [act({ kind: 'sync_slots' })];
  return awaited.map((slot) => {
    const local = logicalSlots(look).find(({ name }) => name === slot.name);
    const verdict = nativeVerdict(view, look, slot, local);
    return hold(`slot ${slot.name}`, verdict.kind === 'ready' ? 'PostgreSQL is to synchronise it' : verdict.reason);
  });
}

function isSyncDue(view: View, isAwaited: boolean): boolean {
  const { waiting, waitingFor, syncedAtMs, behindSinceMs } = view.memory.native;
  const sinceLastMs = view.nowMs - (syncedAtMs ?? -Infinity);
  if (behindSinceMs !== null && view.nowMs - behindSinceMs >= behindPatienceMs && sinceLastMs >= behindEveryMs)
    return true;
  const waitedMs = view.nowMs - waiting.sinceMs;
  if (!isAwaited || waitedMs < firstSyncMs) return false;
  // What has changed on the primary since the last time may be what was waited for.
  const isNews = syncedAtMs === null || waitingFor.sinceMs > syncedAtMs;
  const mostMs = isNews ? mostBetweenNewsMs : mostBetweenSyncsMs;
  return sinceLastMs >= Math.min(mostMs, Math.max(leastBetweenSyncsMs, waitedMs * syncShare));
}

/** Slots of PostgreSQL's that it does not move any more: nobody else can move or drop them. */
function leftToPostgres(view: View, look: ServerLook): readonly Intent[] {
  const followed = new Map((followedSlots(view) ?? []).map((slot) => [slot.name, slot]));
  return logicalSlots(look)
    .filter((slot) => slot.synced)
    .flatMap(({ name }) => {
      const subject = `slot ${name}`;
      if (isCascade(view)) return [hold(subject, 'PostgreSQL made it, and synchronises nothing to a cascade')];
      if (look.settings.syncReplicationSlots !== true)
        return [
          hold(subject, 'PostgreSQL made it, and nobody else can move or drop it: sync_replication_slots is off'),
        ];
      if (followed.get(name)?.report.failover !== false) return [];
      return [hold(subject, 'it is not marked for synchronisation on the primary any more: PostgreSQL drops it')];
    });
}
