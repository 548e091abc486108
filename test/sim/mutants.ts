import type { TxnOperation } from '../../src/consul/port.ts';
import { simKeys } from './sim-agent.ts';
import type { Rule } from './violation.ts';
import type { Sabotage } from './world.ts';

/** A rule that is broken on purpose, and which check has to notice. */
export interface Mutant {
  readonly name: string;
  readonly finds: readonly Rule[];
  readonly sabotage: Sabotage;
}

function withoutGaps(operation: TxnOperation): TxnOperation {
  if (operation.verb !== 'cas' || operation.key !== simKeys.slotHistory) return operation;
  return { ...operation, value: operation.value.replaceAll('"gaps"', '"no_gaps"') };
}

const never = new Promise<never>(() => undefined);

export const mutants: readonly Mutant[] = [
  {
    name: 'S1: standby slots are advanced past the consumer',
    finds: ['S1'],
    sabotage: {
      ports: (ports) => ({
        ...ports,
        server: {
          ...ports.server,
          advanceLogicalSlot: (slot, signal) =>
            ports.server.advanceLogicalSlot({ ...slot, target: slot.target + 1_000_000n }, signal),
        },
      }),
    },
  },
  {
    name: 'S2: every slot is called ready',
    finds: ['S2'],
    sabotage: {
      turn: (turn) => ({
        ...turn,
        view: {
          ...turn.view,
          verdicts: turn.view.verdicts.map((verdict) => ({ ...verdict, verdict: { kind: 'ready' } })),
        },
      }),
    },
  },
  {
    name: 'S2: the state file is copied without its snapshot',
    finds: ['S2'],
    sabotage: {
      ports: (ports, member) => ({
        ...ports,
        server: {
          ...ports.server,
          copySlots: async (request, signal) => {
            const result = await ports.server.copySlots(request, signal);
            for (const { restartLsn } of result.copied) member.server.snapshots.delete(restartLsn);
            return result;
          },
        },
      }),
    },
  },
  {
    name: 'S3: gaps are not recorded',
    finds: ['S3'],
    sabotage: {
      // The agent is made to believe that they are: it would wait with everything else until they are.
      ports: (ports) => ({
        ...ports,
        consul: {
          ...ports.consul,
          transact: (operations, signal) => ports.consul.transact(operations.map(withoutGaps), signal),
          readPrefix: async (prefix, options) => {
            const { index, entries } = await ports.consul.readPrefix(prefix, options);
            return {
              index,
              entries: entries.map((entry) => ({
                ...entry,
                value: entry.value?.replaceAll('"no_gaps"', '"gaps"') ?? null,
              })),
            };
          },
        },
      }),
    },
  },
  {
    name: 'S4: a declared slot is dropped on the primary',
    finds: ['S4'],
    sabotage: {
      ports: (ports, member) => ({
        ...ports,
        server: {
          ...ports.server,
          look: async (signal) => {
            const look = await ports.server.look(signal);
            const isOld = ports.clock.wallMs() % 6_000 > 3_000;
            if (member.server.role === 'primary' && isOld) {
              await ports.server.dropSlot({ name: 'orders', type: 'logical' }, signal);
            }
            return look;
          },
        },
      }),
    },
  },
  {
    name: 'S5: slots wait for one that hangs',
    finds: ['S5', 'liveness'],
    sabotage: {
      ports: (ports) => {
        let isStuck = false;
        return {
          ...ports,
          server: {
            ...ports.server,
            advanceLogicalSlot: (slot, signal) => {
              isStuck ||= slot.name === 'found_a';
              return isStuck ? never : ports.server.advanceLogicalSlot(slot, signal);
            },
          },
        };
      },
    },
  },
  {
    name: 'S6: the leader’s keys are written without a fence',
    finds: ['S6'],
    sabotage: {
      ports: (ports) => ({
        ...ports,
        consul: {
          ...ports.consul,
          transact: (operations: readonly TxnOperation[], signal) =>
            ports.consul.transact(
              operations.filter(({ verb }) => verb !== 'check-session'),
              signal,
            ),
        },
      }),
    },
  },
  {
    name: 'S7: a server says that it is fit although it is not',
    finds: ['S7', 'server', 'liveness'],
    sabotage: {
      ports: (ports) => ({
        ...ports,
        server: {
          ...ports.server,
          look: async (signal) => {
            const look = await ports.server.look(signal);
            const settings = { ...look.settings, walLevel: 'logical', maxReplicationSlots: 100 };
            return { ...look, settings, versionNum: Math.max(look.versionNum, 110_000) };
          },
        },
      }),
    },
  },
];
