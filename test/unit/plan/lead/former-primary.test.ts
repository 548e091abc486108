import { describe, expect, test } from 'vitest';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import { ownBid } from '../../../../src/plan/lead/race.ts';
import { fold } from '../../../../src/view/fold.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aDisk,
  aTerm,
  down,
  leadConfig,
  managed,
  managedKeys,
  memberKeyOf,
  term,
  vacantKeys,
} from '../../../support/lead.ts';
import { after, done, holdOf, kindsOf } from '../../../support/situations.ts';
import { aKey, nowMs, nowWallMs, sessionOf, systemIdentifier } from '../../../support/turns.ts';

type Pieces = NonNullable<Parameters<typeof managed>[1]>;

/** `alpha` was the primary in term 30, was started as a standby while nobody led, and runs. */
const wrote = { member: 'alpha', systemIdentifier, term };

describe('L7: a former primary that runs as a standby', () => {
  const listed = (timeline: number | null, later: number | null) =>
    aKey([aTerm({ timeline }), aTerm({ term: 40, leader: 'beta', timeline: later, from: 0x5000n })]);
  const leader = aKey('beta', { createIndex: 40, modifyIndex: 40, session: sessionOf('beta') });
  const members = new Map([['beta', memberKeyOf('beta', { role: 'primary' })]]);
  const standby = { role: 'standby', receiver: null } as const;
  const started = (keys: ClusterKeys, over: Pieces = {}): View => {
    const inspected = fold(managed('alpha', { keys, local: down(null), lead: { mayWriteSinceMs: null } }), {
      kind: 'disk',
      disk: aDisk({}, { term: wrote }),
      startedAtMs: nowMs,
      atMs: nowMs,
      wallMs: nowWallMs,
    });
    const { writtenUnder } = inspected.memory.lead;
    expect(writtenUnder).toEqual(wrote);
    return managed('alpha', {
      keys,
      look: standby,
      ...over,
      lead: { mayWriteSinceMs: null, writtenUnder, guard: null },
    });
  };
  const led = (terms: ClusterKeys['terms']): ClusterKeys => managedKeys({ leader, members, terms });

  test('under a term whose timeline a later leader wrote too is stopped, to be copied anew', () => {
    expect(kindsOf(started(led(listed(2, 2))))).toContain('stop_server');
    expect(kindsOf(started(led(listed(null, 2))))).toContain('stop_server');
  });

  test('does not follow either, where it is not stopped', () => {
    const view = started(led(listed(2, 2)), { config: leadConfig({}, { pause: true }) });
    expect(kindsOf(view)).not.toContain('stop_server');
    expect(kindsOf(view)).not.toContain('follow');
    expect(holdOf(view, 'follow')).toMatch(/beta wrote another timeline 2/);
  });

  test('is not elected', () => {
    const view = started(vacantKeys({ terms: listed(2, 2), members: new Map() }), {});
    const vacant = {
      ...view,
      memory: { ...view.memory, lead: { ...view.memory.lead, vacant: { sinceMs: 0, after: 40 } } },
    };
    expect(ownBid(vacant)?.unfit).toMatch(/beta wrote another timeline 2/);
    expect(kindsOf(vacant)).not.toContain('acquire_leader');
  });

  test.each([
    ['whose leader went on from it', listed(1, 2)],
    ['that is not listed (any more)', aKey([aTerm({ term: 40, leader: 'beta', timeline: 2 })])],
  ])('under a term %s follows', (_title, terms) => {
    expect(kindsOf(started(led(terms)))).not.toContain('stop_server');
    expect(kindsOf(started(led(terms)))).toContain('follow');
  });

  test('is one no more once its data has been replaced, or it was promoted', () => {
    const view = started(led(listed(2, 2)));
    const source = { member: 'beta', host: 'beta.test', port: 5432, slot: null };
    for (const action of [
      { kind: 'remove_data', why: '' },
      { kind: 'rewind', source, url: '' },
      { kind: 'clone', source, url: '' },
      { kind: 'promote', session: '', term: 50, newestTimeline: 2 },
    ] as const) {
      expect(after(view, [done<typeof action.kind>(action, null)]).memory.lead.writtenUnder).toBeNull();
    }
  });
});
