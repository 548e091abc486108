import { describe, expect, test } from 'vitest';
import { leadProblems } from '../../../../src/plan/lead/problems.ts';
import { wantedServerPlan } from '../../../../src/plan/lead/server-plan.ts';
import { down, leadConfig, managed, vacantKeys } from '../../../support/lead.ts';
import { after, done, kindsOf } from '../../../support/situations.ts';

describe('where a standby streams from', () => {
  test('an agent that has just been started learns from its server, while nobody leads', () => {
    const view = managed('beta', { keys: vacantKeys(), lead: { applied: null } });
    expect(wantedServerPlan(view).upstream).toEqual({
      member: 'alpha.test',
      host: 'alpha.test',
      port: 5432,
      slot: 'beta',
    });
  });
});

describe('WAL that is kept', () => {
  const dynamic = (parameters: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
    const { postgresql } = leadConfig({}).lead;
    const config = leadConfig({ postgresql: { ...postgresql, parameters } });
    return wantedServerPlan(managed('gamma', { config, local: { ...down({ kind: 'empty' }), look: null } })).parameters;
  };

  test('is some by default, also where the version is not known yet', () => {
    expect(dynamic({})).toMatchObject({ wal_keep_size: '128MB' });
  });

  test('is what the cluster’s configuration says, under either name', () => {
    expect(dynamic({ wal_keep_size: '1GB' })).toMatchObject({ wal_keep_size: '1GB' });
    expect(dynamic({ wal_keep_segments: '64' })).toMatchObject({ wal_keep_segments: '64' });
    expect(dynamic({ wal_keep_segments: '64' })).not.toHaveProperty('wal_keep_size');
  });
});

test('settings that a standby could not have as planned wait for a restart', () => {
  const view = managed('beta');
  const start = { kind: 'start_server', plan: wantedServerPlan(view), term: null } as const;
  const started = after(view, [
    done<'start_server'>(start, new Map([['max_connections', { from: '200', to: '100' }]])),
  ]);
  expect(leadProblems(started)).toMatchObject([{ code: 'pending_restart' }]);
  expect(kindsOf(started)).not.toContain('configure_server');
});
