import type { DiskState } from '../../domain/disk.ts';
import type { Problem } from '../../domain/problem.ts';
import { leadingTerm, mayWrite } from '../../view/lease.ts';
import { configOf, freshLook } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import { foreignBecause } from '../refusal.ts';
import { isMendable, remedyFor } from './diverged.ts';
import { failsafeProblems } from './failsafe.ts';
import { furthest } from './fitness.ts';
import { standingOfStandby, standingOnDisk } from './line.ts';
import { isLongStreamless } from './remote-line.ts';

/** What keeps this member from leading or following, and a person can mend (`ha: manage`). */
export function leadProblems(view: View): readonly Problem[] {
  if (view.self.ha !== 'manage') return [];
  const { disk } = view.local;
  return [
    ...(disk === null || freshLook(view) !== null ? [] : diskProblems(view, disk)),
    ...remoteProblems(view),
    ...failureProblems(view),
    ...pauseProblems(view),
    ...restartProblems(view),
    ...failsafeProblems(view),
  ];
}

function diskProblems(view: View, disk: DiskState): readonly Problem[] {
  if (disk.kind === 'foreign') {
    return [
      {
        code: 'data_directory_foreign',
        severity: 'error',
        what: `the data directory holds something that is not PostgreSQL's (${disk.what}): nothing is put there`,
        fix: "correct postgresql.data_dir in the agent's file, or empty the directory",
      },
    ];
  }
  if (disk.kind !== 'cluster') return [];
  const foreign = foreignBecause(view, disk.control.systemIdentifier);
  if (foreign !== null) {
    const fix = "correct scope or namespace in the agent's file, or empty the data directory";
    return [{ code: 'system_identifier', severity: 'error', what: foreign, fix }];
  }
  const standing = standingOnDisk(view, disk);
  if (standing.kind !== 'diverged') return [];
  const remedy = remedyFor(view, disk, standing);
  return remedy.kind === 'nothing' ? [diverged(view, `${standing.why}; ${remedy.why}`)] : [];
}

function diverged({ self: { scope, name } }: View, why: string): Problem {
  const what = `the data can not be followed with: ${why}`;
  return { code: 'diverged', severity: 'error', what, fix: `slotkeeper reinit ${scope} ${name}` };
}

/** A standby cluster's member that gets nothing of the remote primary, and runs all the same. */
function remoteProblems(view: View): readonly Problem[] {
  const look = freshLook(view);
  if (look?.role !== 'standby' || standbyClusterOf(view) === null || !isLongStreamless(view)) return [];
  const failure = view.failures.get('read_line');
  if (failure !== undefined) {
    const what = `this standby cluster gets nothing, and the remote primary can not be asked: ${failure.message}`;
    return [
      { code: 'remote_primary', severity: 'error', what, fix: 'correct standby_cluster: slotkeeper edit-config' },
    ];
  }
  const standing = standingOfStandby(view, look.timeline, look.replayedLsn ?? furthest(look));
  if (standing.kind !== 'diverged' || isMendable(view)) return [];
  return [
    {
      ...diverged(view, `${standing.why}; use_pg_rewind is off`),
      fix: 'turn use_pg_rewind on, or make the cluster anew',
    },
  ];
}

/** What a server could not be brought to do, with where to look. */
const failing = {
  start_server: ['server_start', 'the server could not be started', 'see the log of PostgreSQL'],
  promote: ['promotion', 'the server could not be promoted', 'see the log of PostgreSQL'],
  bootstrap: ['bootstrap', 'no cluster could be made', "correct the section bootstrap of the agent's file"],
  clone: ['clone', 'the data could not be copied', 'see the log of the agent and of the server that is copied'],
  restore_data: ['restore', 'the data could not be restored from a backup', 'see the log of the agent'],
  rewind: [
    'rewind',
    'the data could not be rewound',
    'see the log of the agent, or take a fresh copy: slotkeeper reinit',
  ],
  stop_server: ['server_stop', 'the server could not be stopped', 'see the log of PostgreSQL'],
} as const;

function failureProblems(view: View): readonly Problem[] {
  return Object.entries(failing).flatMap(([kind, [code, what, fix]]): readonly Problem[] => {
    const failure = view.failures.get(kind);
    return failure === undefined
      ? []
      : [{ code: `${code}_failed`, severity: 'error', what: `${what}: ${failure.message}`, fix }];
  });
}

function pauseProblems(view: View): readonly Problem[] {
  const isUnguarded = configOf(view).pause && mayWrite(view) && freshLook(view)?.role === 'primary';
  if (!isUnguarded || leadingTerm(view) !== null) return [];
  const what = 'the cluster is paused and this primary has no lease: nothing stops it when another one is promoted';
  return [{ code: 'unguarded', severity: 'warning', what, fix: 'slotkeeper resume' }];
}

function restartProblems({ memory: { lead } }: View): readonly Problem[] {
  if (lead.pendingRestart.size === 0) return [];
  const what = `settings wait for a restart of the server: ${[...lead.pendingRestart.keys()].join(', ')}`;
  return [{ code: 'pending_restart', severity: 'warning', what, fix: 'slotkeeper restart' }];
}
