import type { ClusterKeys } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import { majorOf, oldestMajor, versionText } from '../domain/version.ts';
import { needsFeedback } from '../view/feedback.ts';
import { mayRestartFor, methodOf, templatesSince } from '../view/method.ts';
import { configOf, type FollowedSlot, followedSlots, freshLook, isUnconfirmed, physicalSlots } from '../view/select.ts';
import { templateDatabases, templateFor, templateIn } from '../view/templates.ts';
import type { View } from '../view/view.ts';
import { hasRoom, retentionProblems, roomProblem } from './budget.ts';
import { isFeedbackOverruled } from './feedback.ts';
import { leadProblems } from './lead/problems.ts';
import { isTakenByAnother, severalPrimaries } from './leadership.ts';
import { nativeProblems } from './native-problems.ts';
import { declaredSlotProblems } from './primary-slots.ts';
import { gateProblems } from './standby-gate-problems.ts';

/** Everything that is wrong and that a person can mend, each with the command or setting that mends it (S7). */
export function problemsOf(view: View): readonly Problem[] {
  const look = freshLook(view);
  return [
    ...view.reported.values(),
    ...clusterProblems(view),
    ...(look === null ? [] : serverProblems(view, look)),
    ...declaredSlotProblems(view),
    ...gateProblems(view),
    ...nativeProblems(view),
    ...leadProblems(view),
  ];
}

function clusterProblems(view: View): Problem[] {
  const problems: Problem[] = [];
  const several = severalPrimaries(view);
  if (several !== null) {
    problems.push({
      code: 'two_primaries',
      severity: 'error',
      what: `${several}; nobody publishes positions and no slot is changed until there is one`,
      fix: 'stop or demote all of them but one',
    });
  }
  if (isTakenByAnother(view)) {
    problems.push({
      code: 'member_name_taken',
      severity: 'error',
      what: `another agent, for ${view.consul.keys?.members.get(view.self.name)?.value?.connUrl ?? '?'}, runs under the name ${view.self.name}`,
      fix: 'give each member of the scope a name of its own',
    });
  }
  if (view.consul.keys !== null) problems.push(...unreadableKeys(view.consul.keys));
  const config = view.consul.keys?.config ?? null;
  if (config?.problem != null) {
    const consequence =
      view.config === null ? 'no slot is changed until it is right' : 'the last good one stays in force';
    const isUsed = config.value !== null;
    problems.push({
      code: 'config_invalid',
      severity: isUsed ? 'warning' : 'error',
      what: isUsed
        ? `the cluster configuration is in force, but for values that had to be put right: ${config.problem}`
        : `the cluster configuration is wrong, ${consequence}: ${config.problem}`,
      fix: 'correct it with slotkeeper edit-config',
    });
  }
  const initialize = view.consul.keys?.initialize?.value ?? null;
  const identifier = view.local.look?.systemIdentifier ?? null;
  if (initialize !== null && identifier !== null && initialize !== '' && initialize !== identifier) {
    problems.push({
      code: 'system_identifier',
      severity: 'error',
      what: `this server's system identifier is ${identifier}, the scope's is ${initialize}: it belongs to another cluster`,
      fix: `correct scope or namespace in the agent's configuration, or rebuild the server from the primary`,
    });
  }
  return problems;
}

function unreadableKeys(keys: ClusterKeys): Problem[] {
  const problems: Problem[] = [];
  const note = (name: string, problem: string | null | undefined): void => {
    if (problem == null) return;
    problems.push({ code: 'key_unreadable', severity: 'error', what: `the key ${name}: ${problem}`, fix: null });
  };
  note('leader', keys.leader?.problem);
  note('status', keys.status?.problem);
  note('history', keys.history?.problem);
  note('slot_history', keys.slotHistory?.problem);
  for (const [name, { problem }] of keys.members) if (problem !== null) note(`members/${name}`, problem);
  return problems;
}

function serverProblems(view: View, look: ServerLook): Problem[] {
  const problems: Problem[] = [];
  if (majorOf(look.versionNum) < oldestMajor) {
    problems.push({
      code: 'server_too_old',
      severity: 'error',
      what: `this server is PostgreSQL ${versionText(look.versionNum)}; ${oldestMajor} is the oldest that can advance a slot`,
      fix: 'upgrade PostgreSQL',
    });
  }
  if (look.settings.walLevel !== 'logical') {
    problems.push({
      code: 'wal_level',
      severity: 'error',
      what: `wal_level is ${look.settings.walLevel}, logical slots need logical`,
      fix: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
    });
  }
  problems.push(...privilegeProblems(view, look), ...retentionProblems(look));
  if (look.role === 'standby') problems.push(...standbyProblems(view, look), ...idleSlotProblems(look));
  return problems;
}

function privilegeProblems(view: View, look: ServerLook): Problem[] {
  const { privileges } = look;
  const problems: Problem[] = [];
  if (!privileges.replication && !privileges.superuser) {
    problems.push({
      code: 'privilege_replication',
      severity: 'error',
      what: "the agent's database role may not use replication slots",
      fix: 'ALTER ROLE <role> REPLICATION;',
    });
  }
  if (!privileges.readBinaryFile && mayRestartFor(view, look)) {
    problems.push({
      code: 'privilege_read_file',
      severity: 'warning',
      what: "the agent's database role may not read slot files: no standby can copy a slot from this server while it is the primary",
      fix: 'GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO <role>; (in the database that the agent connects to)',
    });
  }
  const usesTemplates =
    majorOf(look.versionNum) >= templatesSince && configOf(view).failoverSlots.method !== 'file_copy';
  if (!privileges.logStandbySnapshot && usesTemplates) {
    problems.push({
      code: 'privilege_log_snapshot',
      severity: 'warning',
      what: "the agent's database role may not log the running transactions: while this server is an idle primary, no standby can make a template slot",
      fix: 'GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO <role>; (in the database that the agent connects to)',
    });
  }
  if (!privileges.monitor) {
    problems.push({
      code: 'privilege_monitor',
      severity: 'warning',
      what: "the agent's database role may not see other roles' replication connections",
      fix: 'GRANT pg_monitor TO <role>;',
    });
  }
  return problems;
}

function standbyProblems(view: View, look: ServerLook): Problem[] {
  const followed = followedSlots(view) ?? [];
  if (followed.length === 0 && !needsFeedback(view)) return [];
  const problems: Problem[] = [];
  if (look.settings.primarySlotName === '' && needsFeedback(view)) {
    const name = slotNameFromMemberName(view.self.name);
    problems.push({
      code: 'primary_slot_name',
      severity: 'error',
      what: 'this standby streams without a physical slot: catalog rows that its logical slots need may be vacuumed on the primary',
      fix: `declare slots.${name}: {"type": "physical"} with slotkeeper edit-config, then ALTER SYSTEM SET primary_slot_name = '${name}'; SELECT pg_reload_conf();`,
    });
  }
  const missing = followed.filter((slot) => !look.slots.some((here) => here.name === slot.name)).length;
  const templates = templateDatabases(view, look).filter((database) => templateIn(look, database) === null).length;
  if (missing + templates > 0 && !hasRoom(look, missing + templates)) problems.push(roomProblem(look));
  problems.push(...feedbackProblems(view, look));
  if (!mayRestartFor(view, look)) problems.push(...restartProblems(look, followed, view));
  return problems;
}

/** Slots that only a restart, which is not allowed, or their consumer's next confirmation brings here. */
function restartProblems(look: ServerLook, followed: readonly FollowedSlot[], view: View): Problem[] {
  const stuck = followed.filter((slot) => {
    if (look.slots.some((here) => here.name === slot.name)) return false;
    const method = methodOf(view, look, slot);
    return method === 'file_copy' || (method === 'template' && templateFor(look, slot).kind === 'newer');
  });
  if (stuck.length === 0) return [];
  const names = stuck.map((slot) => slot.name).join(', ');
  return [
    {
      code: 'restart_never',
      severity: 'warning',
      what: `slots are missing here that only a restart can bring, or their consumers when they go on: ${names}; failover_slots.restart does not allow one`,
      fix: 'slotkeeper edit-config --set failover_slots.restart=allow',
    },
  ];
}

function feedbackProblems(view: View, look: ServerLook): Problem[] {
  if (look.settings.hotStandbyFeedback) return [];
  const failure = view.failures.get('set_feedback');
  // An effect is looked for before it is missed: a reload takes a moment.
  const isOverruled = isFeedbackOverruled(view) && !isUnconfirmed(view, 'settings');
  if (failure === undefined && !isOverruled) return [];
  return [
    {
      code: 'hot_standby_feedback',
      severity: 'error',
      what:
        failure !== undefined
          ? `hot_standby_feedback is off and could not be switched on: ${failure.message}`
          : 'hot_standby_feedback is off although it was switched on: a command line option must say so',
      fix:
        failure !== undefined
          ? 'ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf();'
          : 'start the server without an option that switches hot_standby_feedback off',
    },
  ];
}

/**
 * A physical slot keeps the xmin of whoever streamed through it last, and this standby's feedback hands it on: dead rows on
 * the primary stay for as long as the slot does (FACTS 2).
 */
function idleSlotProblems(look: ServerLook): Problem[] {
  return physicalSlots(look)
    .filter((slot) => !slot.active && !slot.temporary && (slot.xmin !== null || slot.catalogXmin !== null))
    .map((slot) => ({
      code: 'idle_slot_xmin',
      severity: 'warning',
      what: `nobody streams through the physical slot ${slot.name}, but it holds xid ${slot.catalogXmin ?? slot.xmin ?? '?'}: vacuum on the primary removes nothing newer`,
      fix: `SELECT pg_drop_replication_slot('${slot.name}'); (a declared slot is made anew by slotkeeper)`,
    }));
}
