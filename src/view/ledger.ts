import type { Outcome } from '../domain/action.ts';
import type { LogicalSlotReport } from '../domain/cluster.ts';
import type { Ledger, LedgerSlot } from '../domain/local.ts';
import type { AlterableSetting, ServerLook, SettingChange } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import { isOtherIdentity } from './births.ts';
import { currentStatus } from './select.ts';
import type { View } from './view.ts';

const unknownSlot: LedgerSlot = {
  made: false,
  decodable: false,
  firstRestartLsn: null,
  incarnation: null,
  identity: null,
};

/** The ledger of a server of which nothing is remembered. */
export function emptyLedger(member: string, systemIdentifier: string): Ledger {
  return { member, systemIdentifier, slots: new Map(), feedbackSet: false, settingsSet: [] };
}

/**
 * What a look proves about decoding from each logical slot (FACTS 2): a slot on a primary was made or used there; on a
 * standby the serialized snapshot on disk, a restart position at which no transaction ran, or one that has moved on this
 * server, is the proof. Once proved it stays so, since PostgreSQL's own decoding goes on from there. `isTouched` names slots that an action changed
 * after the look began: the look says nothing of them. `reports` is what the leader says of the primary's slots, null
 * when that is not known: a copy counts as made by slotkeeper when the slot on the primary does. `isUntold` names slots that
 * are gone, or others now, while the cluster has not been told: only what is remembered here tells that they are, also to
 * the agent's next run (S3).
 */
export function ledgerAfterLook(
  ledger: Ledger | null,
  look: ServerLook,
  isTouched: (name: string) => boolean,
  reports: ReadonlyMap<string, LogicalSlotReport> | null,
  isUntold: (name: string) => boolean,
): Ledger | null {
  if (ledger === null) return null;
  const slots = new Map<string, LedgerSlot>();
  const isMade = (name: string, before: LedgerSlot): boolean => {
    // Nobody else makes slots of such names. One is found on a primary also when nothing was heard of its making: a
    // promotion can fall into that, or the agent's death.
    if (isTemplateName(name)) return true;
    return look.role === 'primary' ? before.made : (reports?.get(name)?.made ?? before.made);
  };
  for (const slot of look.slots) {
    const known = ledger.slots.get(slot.name) ?? unknownSlot;
    if (slot.type === 'physical') {
      if (known.made) slots.set(slot.name, known);
      continue;
    }
    const isOther = isOtherIdentity(known.identity, slot.identity);
    // What was known of the slot that had its name before says nothing of this one.
    const before = isOther ? unknownSlot : known;
    if (isTouched(slot.name)) slots.set(slot.name, known);
    // Whoever made it, it was not us: what we make is known as soon as it is done.
    else if (isOther && isUntold(slot.name)) slots.set(slot.name, { ...known, made: false });
    else {
      // On a primary it is the slot itself that the reports are about, also when the server comes back as a standby.
      const told = look.role === 'primary' ? reports?.get(slot.name)?.incarnation : undefined;
      const incarnation = told ?? before.incarnation;
      slots.set(slot.name, { ...provenBy(look, slot, before), made: isMade(slot.name, before), incarnation });
    }
  }
  for (const [name, before] of ledger.slots) {
    if (!slots.has(name) && (isTouched(name) || isUntold(name))) slots.set(name, before);
  }
  return sameSlots(ledger.slots, slots) ? ledger : { ...ledger, slots };
}

function provenBy(look: ServerLook, slot: LogicalSlot, before: LedgerSlot): LedgerSlot {
  const first = before.firstRestartLsn ?? slot.restartLsn;
  const moved = first !== null && slot.restartLsn !== null && slot.restartLsn > first;
  const starts = slot.snapshotOnDisk === true || slot.startsWithoutSnapshot === true;
  const decodable = before.decodable || look.role === 'primary' || starts || moved;
  return { ...before, decodable, firstRestartLsn: first, identity: slot.identity ?? before.identity };
}

/** What an action that was done leaves in the ledger. */
export function ledgerAfterOutcome(view: View, outcome: Extract<Outcome, { kind: 'done' }>): Ledger | null {
  const { ledger } = view;
  if (ledger === null) return null;
  const { action, result } = outcome.done;
  switch (action.kind) {
    case 'create_logical_slot':
    case 'create_physical_slot': {
      // It was planned because the slot was not there. The newest look may show it already: making one takes as long
      // as the oldest transaction.
      return withSlot(ledger, action.slot, {
        ...unknownSlot,
        made: true,
        decodable: action.kind === 'create_logical_slot',
      });
    }
    case 'copy_slots': {
      const reports = currentStatus(view.consul.keys)?.extras?.logical;
      const copied = result !== null && typeof result === 'object' && 'copied' in result ? result.copied : [];
      return copied.reduce((next, slot) => {
        const report = reports?.get(slot.name);
        return withSlot(next, slot.name, {
          made: report?.made ?? false,
          // Either its snapshot came with it, or the primary has none there: decoding starts as it would there.
          decodable: true,
          firstRestartLsn: slot.restartLsn,
          incarnation: report?.incarnation ?? null,
          identity: null,
        });
      }, ledger);
    }
    case 'copy_from_template': {
      const report = currentStatus(view.consul.keys)?.extras?.logical.get(action.slot);
      return withSlot(ledger, action.slot, {
        ...unknownSlot,
        made: report?.made ?? false,
        // The template was made on this server, so decoding from its start, which is the copy's, starts right.
        decodable: true,
        incarnation: report?.incarnation ?? null,
      });
    }
    case 'drop_slot': {
      if (result !== true) return ledger;
      const slots = new Map(ledger.slots);
      slots.delete(action.slot);
      return { ...ledger, slots };
    }
    case 'set_feedback':
      return { ...ledger, feedbackSet: action.mode === 'on' };
    case 'alter_settings':
      return { ...ledger, settingsSet: settingsAfter(ledger.settingsSet, action.changes) };
    default:
      return ledger;
  }
}

/** What we set is ours to take back; what was reset is not ours any more. Sorted, so that equal ledgers look equal. */
function settingsAfter(
  before: readonly AlterableSetting[],
  changes: readonly SettingChange[],
): readonly AlterableSetting[] {
  const settings = new Set(before);
  for (const { name, value } of changes) {
    if (value === null) settings.delete(name);
    else settings.add(name);
  }
  return [...settings].sort();
}

function withSlot(ledger: Ledger, name: string, slot: LedgerSlot): Ledger {
  return { ...ledger, slots: new Map(ledger.slots).set(name, slot) };
}

function sameSlots(a: ReadonlyMap<string, LedgerSlot>, b: ReadonlyMap<string, LedgerSlot>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, slot] of a) {
    const other = b.get(name);
    if (
      other?.made !== slot.made ||
      other.decodable !== slot.decodable ||
      other.firstRestartLsn !== slot.firstRestartLsn ||
      other.incarnation !== slot.incarnation ||
      other.identity !== slot.identity
    ) {
      return false;
    }
  }
  return true;
}
