import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/cli/checkup.ts';
import { doctor } from '../../../src/cli/doctor.ts';
import { exitCodes } from '../../../src/cli/exit-code.ts';
import { agentConfig } from '../../../src/cli/agent.ts';
import { runAgent } from '../../../src/run.ts';
import { startCluster, type SandboxCluster } from '../../../src/sandbox/cluster.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';

describe('doctor on real servers', () => {
  let sandbox: Sandbox;
  let cluster: SandboxCluster;
  const never = new AbortController().signal;
  const leaving = new AbortController();
  const agents: Promise<void>[] = [];

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    cluster = await startCluster(sandbox, {
      scope: 'main',
      major: 15,
      members: [
        { name: 'alpha', upstream: null },
        { name: 'beta', upstream: 'alpha' },
      ],
      // more than half of the usual ttl
      consulConfig: { session_ttl_min: '20s' },
    });
    await cluster.configure({ slots: { alpha: { type: 'physical' }, beta: { type: 'physical' } } });
  });
  afterAll(async () => {
    leaving.abort();
    await Promise.allSettled(agents);
    await sandbox.close();
  });

  async function examined(name: string): Promise<{ readonly code: number; readonly findings: readonly Finding[] }> {
    const lines: string[] = [];
    const terminal = {
      ...{ out: (line: string) => lines.push(line), err: () => undefined, columns: null, colour: false },
      ...{ env: {}, onHangup: () => undefined, stop: never, readInput: () => Promise.resolve(''), confirm: null },
    };
    const code = await doctor({ configFile: cluster.member(name).agent.configFile, ha: null, json: true }, terminal);
    return { code, ...(JSON.parse(lines.join('\n')) as { findings: readonly Finding[] }) };
  }

  const subjects = (findings: readonly Finding[], state: Finding['state']) =>
    findings.filter((finding) => finding.state === state).map(({ member, subject }) => `${member ?? '*'} ${subject}`);

  it('before any agent: what is missing, and that Consul changes the TTL; nothing is left in Consul', async () => {
    const before = await cluster.read();
    const { code, findings } = await examined('alpha');
    expect(code).toBe(exitCodes.failure);
    expect(subjects(findings, 'error')).toEqual(['* leader']);
    expect(subjects(findings, 'warning')).toEqual(['alpha agent', 'alpha session_ttl']);
    expect(findings.find(({ subject }) => subject === 'session_ttl')).toMatchObject({
      found: expect.stringContaining('the session has 20 s') as string,
      fix: expect.stringContaining('set ttl to 40') as string,
    });
    expect(findings).toContainEqual(expect.objectContaining({ subject: 'wal_level', state: 'ok', found: 'logical' }));
    expect((await cluster.read()).members).toEqual(before.members);
    expect(JSON.parse(await cluster.consul.request('GET', '/v1/session/list'))).toEqual([]);
  });

  it('with both agents: no error, and the same warning of both said once', async () => {
    for (const name of ['alpha', 'beta']) {
      const { configFile } = cluster.member(name).agent;
      const config = await agentConfig({ configFile, ha: null }, { env: {} });
      const env = { SLOTKEEPER_LOG_LEVEL: 'silent' };
      const file = { path: configFile, read: () => Promise.resolve({ config }) };
      const around = { env, file, onHangup: () => undefined, stop: leaving.signal };
      agents.push(runAgent(config, { agentVersion: '0.0.0', ...around }));
    }
    await eventually(async () => (await examined('beta')).code === exitCodes.ok, {
      what: 'a doctor without an error',
      timeoutMs: 20_000,
    });
    const { findings } = await examined('beta');
    expect(subjects(findings, 'warning')).toEqual(['* session_ttl']);
    expect(findings).toContainEqual(
      expect.objectContaining({
        member: 'alpha',
        subject: 'server',
        found: expect.stringMatching(/primary, running$/) as string,
      }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ member: 'beta', subject: 'primary_slot_name', state: 'ok', found: 'beta' }),
    );
  });

  it('with the server of this host down', async () => {
    await cluster.member('beta').server.stop();
    const { code, findings } = await examined('beta');
    expect(code).toBe(exitCodes.failure);
    expect(findings.find(({ member, subject }) => member === 'beta' && subject === 'server')).toMatchObject({
      state: 'error',
      fix: 'start the server',
    });
  });
});
