import { keyOf } from '../domain/action.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';
import { majorOf } from '../domain/version.ts';
import { nativeSince } from '../view/method.ts';
import type { NativeSetting } from '../view/native.ts';
import { isCascade, missingNativeSettings, nativeOrphans } from '../view/native.ts';
import { followedSlots, freshLook, logicalSlots } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { keptOrphanBecause } from './native-orphans.ts';
import { isOverruled, isSynchronisedHere, settingAction } from './native.ts';

const effectWithinMs = 2_000;

/** What keeps PostgreSQL's slot synchronisation from working here and that a person can mend. */
export function nativeProblems(view: View): readonly Problem[] {
  const look = freshLook(view);
  if (look?.role !== 'standby' || majorOf(look.versionNum) < nativeSince || followedSlots(view) === null) return [];
  if (!isSynchronisedHere(view, look)) return stuckProblems(view, look);
  return [...settingProblems(view, look), ...orphanProblems(view, look)];
}

function settingProblems(view: View, look: ServerLook): readonly Problem[] {
  return missingNativeSettings(look).flatMap((name): readonly Problem[] => {
    // Without a physical slot nothing works at all, and hot_standby_feedback has planners and problems of its own.
    if (name === 'hot_standby_feedback' || name === 'primary_slot_name') return [];
    const failure = view.failures.get(keyOf(settingAction(view, look, name)));
    if (failure === undefined && !isWithoutEffect(view, name)) return [];
    return [
      {
        code: 'native_setting',
        severity: 'error',
        what: `PostgreSQL's slot synchronisation needs ${name}, which ${failure === undefined ? 'was set without effect' : `could not be set: ${failure.message}`}`,
        fix:
          name === 'dbname in primary_conninfo'
            ? 'add dbname=postgres to primary_conninfo with ALTER SYSTEM; then SELECT pg_reload_conf();'
            : 'ALTER SYSTEM SET sync_replication_slots = on; SELECT pg_reload_conf(); and start the server without an option that says otherwise',
      },
    ];
  });
}

/** An effect is looked for before it is missed: a reload takes a moment. */
function isWithoutEffect(view: View, name: NativeSetting): boolean {
  const changedAtMs = view.memory.native.settings.get(name) ?? Infinity;
  return isOverruled(view, name) && view.nowMs - changedAtMs >= effectWithinMs;
}

function orphanProblems(view: View, look: ServerLook): readonly Problem[] {
  return nativeOrphans(view, look).flatMap((slot): readonly Problem[] => {
    const kept = keptOrphanBecause(view, slot);
    if (kept === null) return [];
    return [
      {
        code: kept === 'it is in use' ? 'native_orphan_in_use' : 'native_orphan',
        severity: 'error',
        what: `the slot ${slot.name} here was not made by PostgreSQL's slot synchronisation and stops it for all slots; ${kept}`,
        fix: `stop whoever uses it, then SELECT pg_drop_replication_slot('${slot.name}'); on this standby`,
      },
    ];
  });
}

function stuckProblems(view: View, look: ServerLook): readonly Problem[] {
  const stuck = isCascade(view) ? logicalSlots(look).filter((slot) => slot.synced) : [];
  return stuck.map(({ name }) => ({
    code: 'native_stuck',
    severity: 'warning',
    what: `PostgreSQL made the slot ${name} while this standby streamed from the primary; it moves nothing on a cascade and lets nobody drop the slot, which holds WAL and catalog rows`,
    fix: 'let this standby stream from the primary, or rebuild it',
  }));
}
