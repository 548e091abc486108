import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';
import { versionText } from '../domain/version.ts';
import { configOf, findSlot, freshLook } from '../view/select.ts';
import { gateSettings, listedSlots } from '../view/standby-gate.ts';
import type { GateSlotMemory, View } from '../view/view.ts';
import { mayPublish } from './leadership.ts';
import { enforcerOf, gateOverruledAtMs, wantedSlots } from './standby-gate.ts';
import { followedOnPrimary } from './status.ts';

/** Where the grace is for ever: how long a standby is waited for before that is called a problem. */
const patienceMs = 10_000;
/** An effect is looked for before it is missed: a reload takes a moment. */
const settlesWithinMs = 2_000;

/** What keeps the gate from being what the configuration asks for, and whom consumers wait for. */
export function gateProblems(view: View): readonly Problem[] {
  const look = freshLook(view);
  if (look === null) return [];
  const { slots } = view.memory.gate;
  if (slots === null) return settingProblems(view);
  const problems = [...settingProblems(view), ...waits(view, look, slots)];
  if (!mayPublish(view)) return problems;
  if (enforcerOf(look) === null) problems.push(notEnforced(look));
  else problems.push(...ungatedSlots(view, look), ...shortage(view, look, slots));
  return [...problems, ...unknownNames(look, slots)];
}

function settingProblems(view: View): Problem[] {
  const failure = [...view.failures].find(
    ([key]) => key.startsWith('alter_settings:') && gateSettings.some((name) => key.includes(name)),
  )?.[1];
  if (failure !== undefined) {
    return [
      settingProblem(
        `could not be changed: ${failure.message}`,
        'make the role a superuser, or GRANT ALTER SYSTEM ON PARAMETER synchronized_standby_slots TO <role>;',
      ),
    ];
  }
  const overruledAtMs = gateOverruledAtMs(view);
  if (overruledAtMs === null || view.nowMs - overruledAtMs < settlesWithinMs) return [];
  return [
    settingProblem(
      'was changed, and the server still has the old one: a command line option must say so',
      'start the server without an option that sets synchronized_standby_slots',
    ),
  ];
}

function settingProblem(what: string, fix: string): Problem {
  return {
    code: 'gate_setting',
    severity: 'error',
    what: `the list of standbys that consumers wait for ${what}`,
    fix,
  };
}

function notEnforced(look: ServerLook): Problem {
  return {
    code: 'gate_not_enforced',
    severity: 'warning',
    what: `nothing holds consumers back until standbys have a change: PostgreSQL ${versionText(look.versionNum)} has no such setting, and pg_failover_slots is not loaded; consumers can be ahead of the next primary`,
    fix: 'put pg_failover_slots into shared_preload_libraries, upgrade to PostgreSQL 17, or take failover_slots.standby_slot_names out of the configuration',
  };
}

/** PostgreSQL's own gate is for slots with `failover` only (FACTS 3); that of the extension is for all. */
function ungatedSlots(view: View, look: ServerLook): Problem[] {
  if (enforcerOf(look) !== 'synchronized_standby_slots') return [];
  const names = followedOnPrimary(view, look)
    .filter((slot) => !slot.failover)
    .map((slot) => slot.name);
  if (names.length === 0) return [];
  return [
    {
      code: 'gate_not_enforced',
      severity: 'warning',
      what: `consumers of ${names.join(', ')} are not held back until standbys have a change: PostgreSQL does that for slots with failover only; they can be ahead of the next primary`,
      fix: 'slotkeeper edit-config --set failover_slots.method=native (or slots.<name>.failover=true)',
    },
  ];
}

/** Fewer slots than asked for: nobody waits, and consumers can be ahead of the next primary. */
function shortage(view: View, look: ServerLook, slots: ReadonlyMap<string, GateSlotMemory>): Problem[] {
  const asked = requiredCount(view);
  const listed = wantedSlots(view, look).length;
  const isShort = asked === -1 ? slots.size > 0 && listed === 0 : listed < asked;
  if (!isShort) return [];
  const out = [...slots].filter(([, slot]) => slot.out !== null);
  return [
    {
      code: 'gate_incomplete',
      severity: 'warning',
      what: `consumers wait for ${asked === -1 ? 'none' : `${listed} of the ${asked}`} standbys that are asked for: ${describe(out)}`,
      fix: 'start the standbys, each with a physical slot on the primary that its primary_slot_name names',
    },
  ];
}

/** Who keeps consumers waiting, by the list as it is: also one that may not be changed at present. */
function waits(view: View, look: ServerLook, slots: ReadonlyMap<string, GateSlotMemory>): Problem[] {
  const { standbySlotsGraceSeconds: grace } = configOf(view).failoverSlots;
  const patientForMs = (grace === -1 ? patienceMs : grace * 1_000) + settlesWithinMs;
  const listed = [...slots].filter(([name]) => listedSlots(look).includes(name));
  const missing = listed.filter(([, slot]) => slot.out !== null);
  const overdue = missing.filter(([, slot]) => slot.out !== null && view.nowMs - slot.out.sinceMs >= patientForMs);
  const asked = requiredCount(view);
  const inService = listed.length - missing.length;
  if (overdue.length === 0 || (asked !== -1 && inService >= asked)) return [];
  return [
    {
      code: 'gate_waits',
      severity: 'error',
      what: `consumers get nothing new until these have it: ${describe(overdue)}`,
      fix: `start them again, or ${wayOn(view, asked, inService)}`,
    },
  ];
}

function wayOn(view: View, asked: number, inService: number): string {
  // Without the leader key the agent changes nothing, whatever the configuration says.
  if (!mayPublish(view)) return "ALTER SYSTEM SET synchronized_standby_slots = ''; SELECT pg_reload_conf();";
  const change = asked === -1 ? 'standby_slots_grace=10' : `standby_slots_min_confirmed=${inService}`;
  return `slotkeeper edit-config --set failover_slots.${change}`;
}

/** A name that is neither a member's nor a slot's is a mistake, or a standby that was never there. */
function unknownNames(look: ServerLook, slots: ReadonlyMap<string, GateSlotMemory>): Problem[] {
  const unknown = [...slots]
    .filter(([name, { member }]) => member === null && findSlot(look, name)?.type !== 'physical')
    .map(([name]) => name);
  if (unknown.length === 0) return [];
  return [
    {
      code: 'gate_name_unknown',
      severity: 'warning',
      what: `failover_slots.standby_slot_names asks for ${unknown.join(', ')}: neither a living member nor a physical slot here has that name`,
      fix: 'correct failover_slots.standby_slot_names with slotkeeper edit-config, or start the member',
    },
  ];
}

function requiredCount(view: View): number {
  return configOf(view).failoverSlots.standbySlotsMinConfirmed;
}

function describe(slots: readonly (readonly [string, GateSlotMemory])[]): string {
  return slots.map(([name, { out }]) => `${name} (${out?.why ?? 'in service'})`).join(', ');
}
