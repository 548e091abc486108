import type { AgentPorts } from '../../src/agent.ts';
import type { ServerLook } from '../../src/domain/server.ts';
import type { LogicalSlot } from '../../src/domain/slot.ts';
import { isTemplateName } from '../../src/domain/template.ts';
import { simKeys } from './sim-agent.ts';
import type { Mutant } from './mutants.ts';
import { listed } from './pg-settings.ts';

// What PostgreSQL 16 and later can do without a restart, broken on purpose.

function withServer(ports: AgentPorts, server: Partial<AgentPorts['server']>): AgentPorts {
  return { ...ports, server: { ...ports.server, ...server } };
}

/** An agent that sees its server otherwise than it is. */
function seeing(ports: AgentPorts, change: (look: ServerLook) => ServerLook): AgentPorts {
  return withServer(ports, { look: async (signal) => change(await ports.server.look(signal)) });
}

function withSlots(look: ServerLook, change: (slot: LogicalSlot) => LogicalSlot): ServerLook {
  return { ...look, slots: look.slots.map((slot) => (slot.type === 'logical' ? change(slot) : slot)) };
}

const gateSetting = 'synchronized_standby_slots';

export const methodMutants: readonly Mutant[] = [
  {
    name: 'S1: templates are advanced past what new slots start after',
    finds: ['S1'],
    sabotage: {
      ports: (ports) =>
        withServer(ports, {
          advanceLogicalSlot: (slot, signal) => {
            const target = slot.target + (isTemplateName(slot.name) ? 1_000_000n : 0n);
            return ports.server.advanceLogicalSlot({ ...slot, target }, signal);
          },
        }),
    },
  },
  {
    name: 'S1: slots that are made from templates begin past their consumers',
    finds: ['S1'],
    sabotage: {
      ports: (ports) =>
        withServer(ports, {
          copyFromTemplate: (slot, signal) =>
            ports.server.copyFromTemplate({ ...slot, target: slot.target + 1_000_000n }, signal),
        }),
    },
  },
  {
    name: 'S2: a slot that PostgreSQL has not made persistent is called ready',
    finds: ['S2'],
    sabotage: {
      ports: (ports) =>
        seeing(ports, (look) =>
          withSlots(look, (slot) =>
            slot.temporary
              ? { ...slot, temporary: false, confirmedFlushLsn: slot.confirmedFlushLsn ?? 1n, snapshotOnDisk: true }
              : slot,
          ),
        ),
    },
  },
  {
    name: 'S3: a slot that was made anew is known by its name only',
    finds: ['S3'],
    sabotage: {
      ports: (ports) => seeing(ports, (look) => withSlots(look, (slot) => ({ ...slot, identity: slot.name }))),
    },
  },
  {
    name: 'S3: a missing slot is made at "now" on a standby',
    finds: ['S3', 'S1'],
    sabotage: {
      ports: (ports) =>
        withServer(ports, {
          copyFromTemplate: async (slot, signal) => {
            await ports.server.createLogicalSlot(slot, signal);
            return slot.target;
          },
        }),
    },
  },
  {
    name: 'S4: templates are published',
    finds: ['S4'],
    sabotage: {
      ports: (ports) => ({
        ...ports,
        consul: {
          ...ports.consul,
          transact: (operations, signal) =>
            ports.consul.transact(
              operations.map((operation) =>
                operation.verb === 'set' && operation.key === simKeys.status
                  ? {
                      ...operation,
                      value: operation.value.replace('"slots":{', '"slots":{"slotkeeper_template_app":7,'),
                    }
                  : operation,
              ),
              signal,
            ),
        },
      }),
    },
  },
  {
    name: 'restart: a standby is restarted where a template would do',
    finds: ['restart'],
    sabotage: {
      ports: (ports, _member, world) =>
        withServer(ports, {
          copyFromTemplate: async ({ name, database, plugin, target }, signal) => {
            const primaryUrl = `postgres://${world.ha.primary.name}:5432/postgres`;
            await ports.server.copySlots({ primaryUrl, slots: [{ name, database, plugin }], replace: [] }, signal);
            return target;
          },
        }),
    },
  },
  {
    name: 'method: slots that PostgreSQL synchronises are made from templates',
    finds: ['method', 'liveness'],
    sabotage: {
      ports: (ports) =>
        seeing(ports, (look) => ({ ...look, versionNum: look.versionNum > 170_000 ? 160_014 : look.versionNum })),
    },
  },
  {
    name: 'liveness: what stops PostgreSQL’s own synchronisation is left where it is',
    finds: ['liveness', 'loop'],
    sabotage: {
      ports: (ports, member) =>
        withServer(ports, {
          dropSlot: (slot, signal) =>
            member.server.role === 'standby' && !isTemplateName(slot.name)
              ? Promise.resolve(false)
              : ports.server.dropSlot(slot, signal),
        }),
    },
  },
  {
    name: 'liveness: nobody logs the running transactions, and idle slots stay where they are',
    finds: ['liveness'],
    sabotage: {
      ports: (ports) =>
        withServer(ports, {
          logStandbySnapshot: () => Promise.resolve(),
          moveIdleSlot: () => Promise.resolve(null),
        }),
    },
  },
  {
    name: 'gate: a dead standby is waited for for ever',
    finds: ['gate'],
    sabotage: {
      ports: (ports, member) =>
        withServer(ports, {
          alterSettings: (changes, signal) =>
            ports.server.alterSettings(
              changes.map((change) =>
                change.name === gateSetting && change.value !== null && member.server.role === 'primary'
                  ? {
                      ...change,
                      value: [...new Set([...member.server.settings.gate, ...listed(change.value)])].join(','),
                    }
                  : change,
              ),
              signal,
            ),
        }),
    },
  },
  {
    name: 'gate: standbys are not waited for',
    finds: ['gate'],
    sabotage: {
      ports: (ports) =>
        withServer(ports, {
          alterSettings: (changes, signal) =>
            ports.server.alterSettings(
              changes.filter(({ name }) => name !== gateSetting),
              signal,
            ),
        }),
    },
  },
];
