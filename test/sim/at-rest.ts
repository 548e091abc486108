import { decodeStatus } from '../../src/consul/codec/status.ts';
import { isTemplateName, templateName } from '../../src/domain/template.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { simKeys } from './sim-agent.ts';
import type { SlotMember, SlotWorld } from './slot-world.ts';
import type { World } from './world.ts';

/** What has to be reached when faults are over: all slots can be used, or they are also where the primary's are. */
export type Goal = 'ready' | 'level';

/** What is not yet as it has to be; null = nothing. */
export function unfinished(world: World, goal: Goal): string | null {
  return world.ha.busy ? 'the HA manager is still at work' : unfinishedSlots(world, goal);
}

/** The same where nobody but slotkeeper is at work. */
export function unfinishedSlots(world: SlotWorld, goal: Goal): string | null {
  for (const member of world.members) {
    const why = unfinishedMember(world, member, goal);
    if (why !== null) return why;
  }
  return null;
}

function unfinishedMember(world: SlotWorld, member: SlotMember, goal: Goal): string | null {
  const { primary } = world.ha;
  const { server, agent } = member;
  if (server.state !== 'up') return `${member.name} is down`;
  if (agent?.life.alive !== true) return `the agent of ${member.name} is not running`;
  if (server.unfitBecause !== null) {
    const isTold = agent.turn?.plan.problems.length !== 0;
    return isTold ? null : `${member.name} says nothing of what is wrong with its server`;
  }
  const obstacle = server === primary ? null : world.cluster.obstacle(server);
  // A person has to make room for the physical slot through which it would stream.
  if (obstacle === 'no such physical slot') return null;
  if (obstacle !== null) return `${member.name} does not stream: ${obstacle}`;
  // Nothing protects catalog rows through a server that slotkeeper has to leave alone.
  if (world.cluster.above(server).some((above) => above.unfitBecause !== null)) return null;
  const leftOver = server.logicalSlots().find((slot) => isLeftOver(world, member, slot));
  if (leftOver !== undefined) return `slot ${leftOver.name} is left over on ${member.name}`;
  if (server === primary) return unmadeSlot(world, member);
  if (isExcluded(world, member)) return null;
  if (server.settings.altered.get('synchronized_standby_slots') !== undefined && server.settings.gate.length > 0)
    return `the gate on the standby ${member.name} is not empty`;
  if (isSynchronising(world, member) && isObstructed(world, member)) return null;
  for (const source of primary.logicalSlots()) {
    if (!world.isFollowed(source) || source.invalidation !== null) continue;
    const why = unfinishedSlot(
      member,
      source.name,
      goal === 'level' ? source.confirmed : null,
      world.config.method === 'file_copy' ? null : source.failover && isSynchronising(world, member),
    );
    if (why !== null) return why;
  }
  return null;
}

/** A stated reason to wait counts as done: too often copied, or no room for another slot. */
function hasReason(member: SlotMember): boolean {
  const holds = member.agent?.turn?.plan.holds ?? [];
  return holds.some(({ why }) =>
    /copied a short while ago|max_replication_slots|replication slots are in use/.test(why),
  );
}

/** A declared slot that the primary does not have, or not any more and may make anew. */
function unmadeSlot(world: SlotWorld, member: SlotMember): string | null {
  const unmade = [...world.config.logical.keys()].find((name) => {
    const slot = member.server.slots.get(name);
    if (slot?.type !== 'logical') return slot === undefined;
    return slot.creating || (slot.invalidation !== null && world.isFollowed(slot));
  });
  return unmade === undefined || hasReason(member) ? null : `slot ${unmade} is not on the primary ${member.name}`;
}

/** `isSynced`: whether PostgreSQL itself is to keep it here; null = either way. */
function unfinishedSlot(
  member: SlotMember,
  name: string,
  confirmed: bigint | null,
  isSynced: boolean | null,
): string | null {
  const turn = member.agent?.turn ?? null;
  const slot = member.server.logical(name);
  const isSeen = turn?.view.local.look?.slots.some((seen) => seen.name === name) === true;
  // Right after a copy the reason to wait is that it was made: what has come of it is still to be seen.
  if (slot !== undefined && !isSeen) return `slot ${name} on ${member.name} was not looked at yet`;
  if (hasReason(member)) return null;
  const verdict = turn?.view.verdicts.find((each) => each.slot === name)?.verdict;
  if (slot === undefined) return `slot ${name} is not on ${member.name}; holds: ${JSON.stringify(turn?.plan.holds)}`;
  if (verdict?.kind !== 'ready') return `slot ${name} on ${member.name} is not ready: ${JSON.stringify(verdict)}`;
  // The agent may not have looked since PostgreSQL has replaced the slot that was ready.
  if (slot.temporary) return `slot ${name} on ${member.name} is not persistent yet`;
  if (isSynced !== null && slot.synced !== isSynced)
    return `slot ${name} on ${member.name} is ${slot.synced ? '' : 'not '}kept by PostgreSQL's own synchronisation`;
  // PostgreSQL leaves its copy behind for as long as the primary's slot starts earlier than the copy does.
  return confirmed === null || slot.synced || slot.confirmed === confirmed
    ? null
    : `slot ${name} on ${member.name} is at ${slot.confirmed}, not at ${confirmed}`;
}

/** Members that are not to be promoted get no slots; what streams through them does. */
function isExcluded(world: SlotWorld, member: SlotMember): boolean {
  return member.server !== world.ha.primary && member.tags.nofailover === true;
}

/** Whether somebody should have dropped the slot. What a lost slot has left is kept, and PostgreSQL drops its own. */
function isLeftOver(world: SlotWorld, member: SlotMember, slot: LogicalPgSlot): boolean {
  if (isTemplateName(slot.name)) return !neededTemplates(world, member).has(slot.name);
  const { primary } = world.ha;
  if (member.server === primary || slot.synced || slot.temporary || world.config.ignored.includes(slot.name))
    return false;
  const source = primary.logical(slot.name);
  if (source !== undefined && world.isFollowed(source)) return isExcluded(world, member);
  const status = decodeStatus(world.consul.state.keys.get(simKeys.status)?.value ?? '', () => undefined);
  return status?.extras?.lost.has(slot.name) !== true;
}

/** Whether PostgreSQL's own synchronisation is to keep failover slots on this standby. */
function isSynchronising({ config, ha, major }: SlotWorld, { server }: SlotMember): boolean {
  return major >= 17 && server.upstream === ha.primary && (config.method !== 'template' || server.settings.syncOn);
}

/** PostgreSQL synchronises nothing while a slot is in its way that is ignored: a person has to take it away. */
function isObstructed({ config, ha }: SlotWorld, { server }: SlotMember): boolean {
  return server
    .logicalSlots()
    .some(
      ({ name, synced }) => !synced && config.ignored.includes(name) && ha.primary.logical(name)?.failover === true,
    );
}

/** The templates that this server may have: of databases with slots that it is to have, or that the configuration names. */
function neededTemplates(world: SlotWorld, member: SlotMember): ReadonlySet<string> {
  const { config, ha } = world;
  if (member.server === ha.primary || config.method === 'file_copy' || isExcluded(world, member)) return new Set();
  const followed = ha.primary.logicalSlots().filter((slot) => world.isFollowed(slot));
  const slots = [...followed, ...config.logical.values()];
  return new Set([...config.templateDatabases, ...slots.map((slot) => slot.database)].map(templateName));
}
