import type { ActionOf } from '../../src/domain/action.ts';
import type { FailoverSlotsConfig } from '../../src/domain/config.ts';
import type { Problem } from '../../src/domain/problem.ts';
import type { ServerLook, ServerSettings } from '../../src/domain/server.ts';
import type { PhysicalSlot } from '../../src/domain/slot.ts';
import { plan } from '../../src/plan/plan.ts';
import { gateReport, planStandbyGate } from '../../src/plan/standby-gate.ts';
import { fold } from '../../src/view/fold.ts';
import type { View } from '../../src/view/view.ts';
import { aConfig, actionsOf, after, done } from './situations.ts';
import { aKey, aLedger, aMember, aPhysicalSlot, aPrimaryLook, aView, nowMs, sessionOf, someKeys } from './turns.ts';

/** How far the primary of these tests has written to begin with; its bound for lag is 0x1000 bytes. */
export const written = 0x10_0000n;
export const boundBytes = 0x1000n;
export const graceSeconds = 10;

export function gateConfig(over: Partial<FailoverSlotsConfig> = {}) {
  return aConfig({}, { standbySlotNames: 'all', standbySlotsMaxLagBytes: Number(boundBytes), ...over });
}

/** A physical slot in service: it has all that is written. */
export function aStandbySlot(name: string, over: Partial<PhysicalSlot> = {}): PhysicalSlot {
  return aPhysicalSlot({ name, restartLsn: written, ...over });
}

/** `alpha`, a primary on PostgreSQL 17, from which `beta` and `gamma` stream. */
export function aGateLook(over: Partial<ServerLook> = {}, settings: Partial<ServerSettings> = {}): ServerLook {
  const usual = aPrimaryLook();
  return {
    ...usual,
    versionNum: 170_010,
    currentLsn: written,
    slots: [aStandbySlot('beta'), aStandbySlot('gamma')],
    settings: { ...usual.settings, synchronizedStandbySlots: [], ...settings },
    ...over,
  };
}

export function gateKeys(over: Parameters<typeof someKeys>[0] = {}) {
  const usual = someKeys();
  const gamma = aKey(aMember('gamma'), { modifyIndex: 42, session: sessionOf('gamma') });
  return someKeys({ members: new Map([...usual.members, ['gamma', gamma]]), ...over });
}

/** The View of `alpha` just before its first look, so that what is remembered begins with that. */
export function aGateView(over: Partial<View> = {}): View {
  const usual = aView('alpha', {
    config: gateConfig(),
    consul: { contact: { kind: 'good', atMs: nowMs }, keys: gateKeys() },
    ledger: aLedger('alpha'),
    savedLedger: aLedger('alpha'),
  });
  return { ...usual, local: { ...usual.local, contact: { kind: 'never' }, look: null, lookedAtMs: null }, ...over };
}

/** The View after a look, some time later. */
export function looked(view: View, look: ServerLook, ms = 100): View {
  return after(view, [{ kind: 'look', startedAtMs: view.nowMs + ms, look }], ms);
}

/** What the plan changes in the settings, as `name=value`, or `name reset`; empty = nothing. */
export function changesOf(view: View): readonly string[] {
  return actionsOf(view, 'alter_settings').flatMap(({ changes }) =>
    changes.map(({ name, value }) => (value === null ? `${name} reset` : `${name}=${value}`)),
  );
}

/** An agent and its server: whatever the plan asks of the gate's settings is done at once, and seen by the next look. */
export interface Run {
  readonly view: View;
  readonly look: ServerLook;
}

export function aRun(view: View = aGateView(), look: ServerLook = aGateLook()): Run {
  return step({ view, look }, 0);
}

/** Time passes, then the server is looked at; `over` is what has changed on it meanwhile. */
export function step(run: Run, ms: number, over: Partial<ServerLook> = {}): Run {
  const look = { ...run.look, ...over };
  const view = looked(run.view, look, ms);
  // The part of the plan that is about the gate: the properties live through thousands of steps.
  const [intent] = planStandbyGate(view);
  if (intent?.kind !== 'act' || intent.action.kind !== 'alter_settings') return { view, look };
  const { action } = intent;
  const altered = { ...look, settings: applied(look.settings, action) };
  return { view: looked(after(view, [done(action, null)], 0), altered, 0), look: altered };
}

/** Time passes in steps of one second, at each of which the server is looked at. */
export function steps(run: Run, seconds: number, over: Partial<ServerLook> = {}): Run {
  let now = { ...run, look: { ...run.look, ...over } };
  for (let second = 0; second < seconds; second += 1) now = step(now, 1_000);
  return now;
}

function applied(settings: ServerSettings, { changes }: ActionOf<'alter_settings'>): ServerSettings {
  return changes.reduce<ServerSettings>((now, { name, value }) => {
    const names = value === null || value === '' ? [] : value.split(',');
    const { failoverSlotsExtension: extension } = now;
    switch (name) {
      case 'synchronized_standby_slots':
        return { ...now, synchronizedStandbySlots: names };
      case 'pg_failover_slots.standby_slot_names':
        return extension === null ? now : { ...now, failoverSlotsExtension: { ...extension, standbySlotNames: names } };
      case 'pg_failover_slots.standby_slots_min_confirmed':
        return extension === null
          ? now
          : { ...now, failoverSlotsExtension: { ...extension, standbySlotsMinConfirmed: Number(value ?? -1) } };
      case 'sync_replication_slots':
      case 'primary_slot_name':
        return now;
    }
  }, settings);
}

/** A run whose gate is asked for like this; both standbys are in service unless `slots` says otherwise. */
export function gateRun(
  failoverSlots: Partial<FailoverSlotsConfig> = {},
  slots = [aStandbySlot('beta'), aStandbySlot('gamma')],
): Run {
  return aRun(aGateView({ config: gateConfig(failoverSlots) }), aGateLook({ slots }));
}

/** What a look shows when beta is in service, and gamma like this. */
export function withGamma(over: Partial<PhysicalSlot> = {}): Partial<ServerLook> {
  return { slots: [aStandbySlot('beta'), aStandbySlot('gamma', over)] };
}

export const dead: Partial<PhysicalSlot> = { active: false };

/** Who is not waited for, with the reason. */
export function leftOut({ view }: Run): Readonly<Record<string, string>> {
  return Object.fromEntries(gateReport(view)?.leftOut ?? []);
}

export function gateProblemsOf({ view }: Pick<Run, 'view'>): readonly Problem[] {
  return plan(view).problems.filter(({ code }) => code.startsWith('gate_'));
}

export function gateCodesOf(run: Pick<Run, 'view'>): readonly string[] {
  return gateProblemsOf(run).map(({ code }) => code);
}

/** The physical slots that the server waits for now. */
export function listed(run: Run): readonly string[] {
  const { failoverSlotsExtension, synchronizedStandbySlots } = run.look.settings;
  return failoverSlotsExtension?.standbySlotNames ?? synchronizedStandbySlots ?? [];
}

/** The same cluster under other keys. */
export function rekeyed(run: Run, over: Parameters<typeof gateKeys>[0]): Run {
  const config = aKey(run.view.config, { modifyIndex: 21 });
  const keys = { ...gateKeys({ config, ...over }), index: (run.view.consul.keys?.index ?? 0) + 1 };
  return { ...run, view: fold(run.view, { kind: 'keys', keys, atMs: run.view.nowMs, wallMs: run.view.nowWallMs }) };
}
