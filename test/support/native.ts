import type { ClusterKeys, LogicalSlotReport, Member } from '../../src/domain/cluster.ts';
import type { DynamicConfig, FailoverSlotsConfig } from '../../src/domain/config.ts';
import type { ServerLook, ServerSettings } from '../../src/domain/server.ts';
import type { LogicalSlot, Slot } from '../../src/domain/slot.ts';
import type { View } from '../../src/view/view.ts';
import { after, aConfig, statusKey } from './situations.ts';
import {
  aKey,
  aLogicalReport,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aPrimaryLook,
  aStandbyLook,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from './turns.ts';

/** The usual cluster on PostgreSQL 17, where PostgreSQL itself synchronises the slot `orders` from `alpha` to `beta`. */

const versionNum = 170_010;

export const allSet: Partial<ServerSettings> = { syncReplicationSlots: true, upstreamDatabase: 'postgres' };

/** A slot as PostgreSQL's synchronisation makes it. */
export function aSyncedSlot(over: Partial<LogicalSlot> = {}): LogicalSlot {
  return aLogicalSlot({ failover: true, synced: true, ...over });
}

export interface NativeSituation {
  /** What the primary says of `orders`. */
  readonly report?: Partial<LogicalSlotReport>;
  /** Where the primary's `orders` is. */
  readonly position?: bigint;
  readonly timeline?: number;
  readonly settings?: Partial<ServerSettings>;
  readonly slots?: readonly Slot[];
  readonly look?: Partial<ServerLook>;
  readonly config?: Partial<DynamicConfig>;
  readonly failoverSlots?: Partial<FailoverSlotsConfig>;
  /** Over the usual member keys. */
  readonly members?: readonly (readonly [string, Partial<Member>])[];
  readonly view?: Partial<View>;
}

/** The keys of the situation. */
export function nativeKeys(situation: NativeSituation = {}): ClusterKeys {
  const { report, position = 0x3000n, timeline = 1, members = [] } = situation;
  const key = (name: string, over: Partial<Member>) =>
    [name, aKey(aMember(name, over), { modifyIndex: 40, session: sessionOf(name) })] as const;
  return someKeys({
    config: aKey(aConfig(situation.config, situation.failoverSlots)),
    status: statusKey(
      { timeline, logical: new Map([['orders', aLogicalReport({ failover: true, ...report })]]) },
      {
        slots: new Map([
          ['beta', 0x4000n],
          ['orders', position],
        ]),
      },
    ),
    members: new Map([...someKeys().members, ...members.map(([name, over]) => key(name, over))]),
  });
}

/** What `beta`, which streams from `alpha`, tells. */
export function nativeLook({ settings, slots, look }: NativeSituation = {}): ServerLook {
  const usual = aStandbyLook();
  return {
    ...usual,
    versionNum,
    settings: { ...usual.settings, syncReplicationSlots: false, synchronizedStandbySlots: [], ...allSet, ...settings },
    slots: slots ?? [aSyncedSlot()],
    ...look,
  };
}

/** The View of `beta` after one look. */
export function onStandby(situation: NativeSituation = {}): View {
  const usual = aView('beta');
  const look = nativeLook(situation);
  const view = aView('beta', {
    consul: { contact: { kind: 'good', atMs: nowMs }, keys: nativeKeys(situation) },
    config: aConfig(situation.config, situation.failoverSlots),
    local: { ...usual.local, look },
    ...situation.view,
  });
  return after(view, [{ kind: 'look', startedAtMs: view.nowMs, look: view.local.look ?? look }]);
}

/** The View of the primary `alpha` after one look; `slots` beside the physical one of `beta`. */
export function onPrimary({ slots = [], settings, look, ...situation }: NativeSituation = {}): View {
  const usual = aView('alpha');
  const base = aPrimaryLook();
  const now: ServerLook = {
    ...base,
    versionNum,
    settings: { ...base.settings, syncReplicationSlots: false, synchronizedStandbySlots: [], ...settings },
    slots: [aPhysicalSlot(), ...slots],
    ...look,
  };
  const view = aView('alpha', {
    consul: { contact: { kind: 'good', atMs: nowMs }, keys: nativeKeys(situation) },
    config: aConfig(situation.config, situation.failoverSlots),
    local: { ...usual.local, look: now },
    ...situation.view,
  });
  return after(view, [{ kind: 'look', startedAtMs: view.nowMs, look: now }]);
}
