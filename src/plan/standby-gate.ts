import { equal } from '../base/equal.ts';
import type { GateReport } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { AlterableSetting, ServerLook, SettingChange } from '../domain/server.ts';
import { slotNamePattern } from '../domain/slot.ts';
import { configOf, findSlot, freshLook } from '../view/select.ts';
import { gateSettings, listedSlots } from '../view/standby-gate.ts';
import type { GateSlotMemory, View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';

/** How long after a change without effect the next one is tried; a reload takes effect within a fraction of a second. */
const overruledForMs = 60_000;

type Enforcer = NonNullable<GateReport['enforcedBy']>;

/** What this server has that holds consumers back: the extension where it is loaded, else PostgreSQL from 17 on. */
export function enforcerOf(look: ServerLook): Enforcer | null {
  if (look.settings.failoverSlotsExtension !== null) return 'pg_failover_slots';
  return look.settings.synchronizedStandbySlots === null ? null : 'synchronized_standby_slots';
}

/**
 * Keeps the list of physical slots that must have a change before consumers get it, as `failover_slots` asks for it and
 * as standbys come and go; empties it on a standby, so that no promotion begins with the old primary's list; takes back
 * what slotkeeper set where no gate is asked for. In pause too: a dead standby freezes consumers then as at any time, and
 * a standby that is back protects them only once it is listed.
 */
export function planStandbyGate(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look === null) return [];
  const changes = gateChanges(view, look);
  if (changes.length === 0) return [];
  // A primary whose standbys have all left for another one looks like one whose standbys have died: the key tells.
  if (look.role === 'primary' && isAsked(view) && !mayPublish(view))
    return [hold('gate', 'this server is not known to be the primary now')];
  if (gateOverruledAtMs(view) !== null)
    return [hold('gate', 'its settings were changed, and the server still says otherwise')];
  return [act({ kind: 'alter_settings', changes, why: 'gate' })];
}

/**
 * The changes that empty the gate on this server, whoever it waits for: a primary that is stopped waits for every slot
 * that is listed (FACTS 3). Empty = there is nothing to change, or the list is somebody else's and none is asked for.
 */
export function gateToEmpty(view: View): readonly SettingChange[] {
  const look = freshLook(view);
  if (look === null || view.ledger === null) return [];
  const { settingsSet } = view.ledger;
  return emptied(look).filter(({ name }) => isAsked(view) || settingsSet.includes(name));
}

/**
 * When the gate's settings were changed without effect (something counts more, a command line option say), in monotonic
 * milliseconds; null = what was set is there, or it is time to set it once more.
 */
export function gateOverruledAtMs(view: View): number | null {
  const look = freshLook(view);
  const last = view.memory.gate.lastChange;
  if (look === null || last === null || last.serverStartedAtWallMs !== look.startedAtWallMs) return null;
  const isOver = view.nowMs - last.atMs >= overruledForMs;
  return isOver || !equal(gateChanges(view, look), last.changes) ? null : last.atMs;
}

/** What the gate is on this primary, for `status`, events and metrics; null = none is kept here. */
export function gateReport(view: View): GateReport | null {
  // A server that does not answer goes on with the list that it had.
  const { look } = view.local;
  const { slots } = view.memory.gate;
  if (look === null || slots === null) return null;
  const enforcedBy = enforcerOf(look);
  if (enforcedBy === null) return { enforcedBy, slots: [], leftOut: new Map() };
  const listed = listedSlots(look);
  const wanted = wantedSlots(view, look);
  const leftOut = new Map<string, string>();
  for (const [name, slot] of slots) {
    const why = slot.out?.why ?? (wanted.includes(name) ? null : 'enough others are waited for');
    // One that is about to be listed is not left out.
    if (why !== null && !listed.includes(name)) leftOut.set(name, why);
  }
  // Of a list that somebody else overrules ours with, only what can be a slot's name: the key would not carry the rest.
  return { enforcedBy, slots: listed.filter((name) => slotNamePattern.test(name)).toSorted(), leftOut };
}

/**
 * The slots that consumers are to wait for, sorted; never one that keeps no WAL, which would block everybody for good
 * (FACTS 3). With `standby_slots_min_confirmed: -1` all that count. With N the extension takes any N out of all that are
 * asked for; PostgreSQL, which waits for each one that is listed, is given the N best: those in service first.
 */
export function wantedSlots(view: View, look: ServerLook): readonly string[] {
  const required = configOf(view).failoverSlots.standbySlotsMinConfirmed;
  const listable = [...(view.memory.gate.slots ?? [])].filter(([, slot]) => slot.isListable);
  if (required === -1) return namesOf(listable.filter(([, slot]) => slot.isCounted));
  if (required === 0) return [];
  if (enforcerOf(look) === 'pg_failover_slots') return namesOf(listable);
  return namesOf(listable.toSorted(byRank(look)).slice(0, required));
}

type Entry = readonly [string, GateSlotMemory];

function namesOf(slots: readonly Entry[]): readonly string[] {
  return slots.map(([name]) => name).sort();
}

/**
 * Those in service first, then those within the grace; among equals whoever is listed already, since changing the list for
 * a few bytes would change it all the time; then the furthest.
 */
function byRank(look: ServerLook): (a: Entry, b: Entry) => number {
  const listed = listedSlots(look);
  const positionOf = (name: string): Lsn => findSlot(look, name)?.restartLsn ?? 0n;
  const prefer = (a: boolean, b: boolean): number => Number(b) - Number(a);
  return ([nameA, a], [nameB, b]) =>
    prefer(a.out === null, b.out === null) ||
    prefer(a.isCounted, b.isCounted) ||
    prefer(listed.includes(nameA), listed.includes(nameB)) ||
    prefer(positionOf(nameA) > positionOf(nameB), positionOf(nameB) > positionOf(nameA));
}

/** Whether the gate's settings are slotkeeper's to keep, on the primary and on every standby. */
function isAsked(view: View): boolean {
  return configOf(view).failoverSlots.standbySlotNames !== null;
}

/** How the settings of this server differ from what they are to be; empty also where that is not known yet. */
function gateChanges(view: View, look: ServerLook): readonly SettingChange[] {
  if (view.config === null || view.ledger === null) return [];
  if (!isAsked(view)) return takenBack(view.ledger.settingsSet);
  if (look.role === 'standby') return emptied(look);
  if (view.memory.gate.slots === null) return [];
  const names = wantedSlots(view, look);
  const { failoverSlotsExtension: extension, synchronizedStandbySlots } = look.settings;
  if (extension === null) {
    const before = synchronizedStandbySlots;
    return before === null || isSameSet(before, names) ? [] : [listOf('synchronized_standby_slots', names)];
  }
  const changes: SettingChange[] = [];
  // Both would hold consumers back, each by its own list.
  if (view.ledger.settingsSet.includes('synchronized_standby_slots')) {
    changes.push({ name: 'synchronized_standby_slots', value: null });
  }
  if (!isSameSet(extension.standbySlotNames, names))
    changes.push(listOf('pg_failover_slots.standby_slot_names', names));
  const required = configOf(view).failoverSlots.standbySlotsMinConfirmed;
  if (extension.standbySlotsMinConfirmed !== required) {
    changes.push({ name: 'pg_failover_slots.standby_slots_min_confirmed', value: String(required) });
  }
  return changes;
}

function takenBack(settingsSet: readonly AlterableSetting[]): readonly SettingChange[] {
  return gateSettings.filter((name) => settingsSet.includes(name)).map((name) => ({ name, value: null }));
}

/**
 * Not by RESET: a base backup brings the primary's list along, and a list in the configuration file would come back. Once
 * no gate is asked for, what was set here is taken back.
 */
function emptied(look: ServerLook): readonly SettingChange[] {
  const { failoverSlotsExtension: extension, synchronizedStandbySlots } = look.settings;
  const changes: SettingChange[] = [];
  if ((synchronizedStandbySlots ?? []).length > 0) changes.push(listOf('synchronized_standby_slots', []));
  if ((extension?.standbySlotNames ?? []).length > 0) changes.push(listOf('pg_failover_slots.standby_slot_names', []));
  return changes;
}

function listOf(name: AlterableSetting, slots: readonly string[]): SettingChange {
  return { name, value: slots.join(',') };
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
