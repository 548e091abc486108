import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { editConfig, type EditOptions } from '../../../src/cli/edit-config.ts';
import { exitCodes } from '../../../src/cli/exit-code.ts';
import { list } from '../../../src/cli/list.ts';
import { showConfig } from '../../../src/cli/show-config.ts';
import { ConfigurationError, UsageError } from '../../../src/cli/failure.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { createConsulClient, type ConsulClient } from '../../../src/consul/client.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { consulForTest, type ConsulForTest } from '../../support/servers.ts';

describe('edit-config on a real Consul', () => {
  let sandbox: Sandbox;
  let place: ConsulForTest;
  let consul: ConsulClient;
  let scope = '';
  let scopes = 0;
  const never = new AbortController().signal;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    place = await consulForTest(sandbox);
    consul = createConsulClient({
      ...{ host: place.address.host, port: place.address.port, scheme: 'http', token: null, tokenFile: null, dc: null },
      ...{ consistency: 'default', verify: true, cacert: null, cert: null, key: null, requestTimeoutMs: 5_000 },
    });
  });
  afterAll(() => sandbox.close());
  beforeEach(() => {
    scopes += 1;
    scope = `edit${scopes}`;
  });

  const keyOf = () => `${place.prefix}/${scope}/config`;
  const stored = async (): Promise<unknown> => {
    const { entries } = await consul.readPrefix(keyOf(), { index: 0, waitMs: 0, signal: never });
    return entries[0] === undefined ? undefined : JSON.parse(entries[0].value ?? '');
  };
  const store = (value: string) => consul.transact([{ verb: 'set', key: keyOf(), value }], never);

  /** A terminal that remembers what it was told. */
  function terminal(more: Partial<Terminal> = {}): Terminal & { readonly lines: string[]; readonly errors: string[] } {
    const lines: string[] = [];
    const errors: string[] = [];
    return {
      lines,
      errors,
      out: (line) => lines.push(line),
      err: (line) => errors.push(line),
      columns: null,
      colour: false,
      env: {},
      onHangup: () => undefined,
      stop: never,
      readInput: () => Promise.resolve(''),
      confirm: null,
      ...more,
    };
  }

  const access = () => ({
    configFile: null,
    consul: `${place.address.host}:${place.address.port}`,
    scope,
    namespace: place.prefix,
    tokenFile: null,
  });
  const edit = (options: Partial<EditOptions>, at: Terminal = terminal()) =>
    editConfig({ ...access(), set: [], pg: [], apply: null, replace: null, force: true, quiet: false, ...options }, at);

  it('makes the key where there is none, and changes single settings', async () => {
    expect(await edit({ set: ['slots.orders.database=shop', 'slots.orders.plugin=pgoutput'] })).toBe(exitCodes.ok);
    expect(await stored()).toEqual({ slots: { orders: { database: 'shop', plugin: 'pgoutput' } } });
    const at = terminal();
    await edit({ set: ['ttl=40', 'slots.orders=null'], pg: ['work_mem=4MB'] }, at);
    expect(await stored()).toEqual({ ttl: 40, postgresql: { parameters: { work_mem: '4MB' } } });
    expect(at.lines).toContain('- slots:');
    expect(at.lines).toContain('+ ttl: 40');
    expect(at.lines.at(-1)).toBe('Configuration changed');
  });

  it('lays a patch from standard input over it, where null takes away', async () => {
    await store('{"ttl":30,"failover_slots":{"restart":"never","drop_extra_slots":false},"own":[1]}');
    const readInput = () => Promise.resolve('failover_slots: {restart: null, recreate_lost: on}\nloop_wait: 5');
    await edit({ apply: '-' }, terminal({ readInput }));
    expect(await stored()).toEqual({
      ttl: 30,
      failover_slots: { drop_extra_slots: false, recreate_lost: 'on' },
      own: [1],
      loop_wait: 5,
    });
  });

  it('refuses what is wrong with all that is wrong, and writes nothing', async () => {
    await store('{"ttl":30}');
    const wrong = edit({ set: ['slots.a.type=logical', 'failover_slots.restart=maybe'] });
    await expect(wrong).rejects.toThrow('the new configuration has 3 mistakes; nothing was written');
    await wrong.catch((error: unknown) => {
      expect((error as ConfigurationError).problems.map(({ what }) => what).join()).toContain(
        'slots.a.plugin is missing',
      );
    });
    expect(await stored()).toEqual({ ttl: 30 });
  });

  it('does not overwrite what somebody else wrote meanwhile', async () => {
    await store('{"ttl":30}');
    const confirm = async () => {
      await store('{"ttl":50}');
      return true;
    };
    await expect(edit({ set: ['ttl=40'], force: false }, terminal({ confirm }))).rejects.toThrow('somebody else');
    expect(await stored()).toEqual({ ttl: 50 });
  });

  it('asks, and takes no for an answer', async () => {
    await store('{"ttl":30}');
    const confirm = () => Promise.resolve(false);
    expect(await edit({ set: ['ttl=40'], force: false }, terminal({ confirm }))).toBe(exitCodes.failure);
    await expect(edit({ set: ['ttl=40'], force: false })).rejects.toThrow(UsageError);
    expect(await stored()).toEqual({ ttl: 30 });
  });

  it('writes nothing when nothing changes', async () => {
    await store('{"ttl":30}');
    const at = terminal();
    await edit({ set: ['ttl=30'] }, at);
    expect(at.lines).toEqual(['Not changed']);
  });

  it('opens an editor', async () => {
    await store('{"ttl":30}');
    await edit({}, terminal({ env: { EDITOR: 'sed -i s/30/35/' } }));
    expect(await stored()).toEqual({ ttl: 35 });
    await expect(edit({}, terminal({ env: { EDITOR: 'false' } }))).rejects.toThrow('the editor "false" failed');
    await expect(edit({}, terminal({ env: { EDITOR: 'sed -i s/ttl/{/' } }))).rejects.toThrow(ConfigurationError);
    expect(await stored()).toEqual({ ttl: 35 });
  });

  it('can mend a value that is not JSON, which list and show-config tell of', async () => {
    await store('{oops');
    const shown = terminal();
    expect(await showConfig({ ...access(), json: false }, shown)).toBe(exitCodes.badConfiguration);
    expect(shown.lines).toEqual(['{oops']);
    const listed = terminal();
    await list({ ...access(), json: false, isTree: false }, listed);
    expect(listed.lines).toContain(' ! the cluster configuration is not JSON');
    await expect(edit({ set: ['ttl=30'] })).rejects.toThrow('use --replace');
    const file = join(sandbox.folder, 'config.yaml');
    await writeFile(file, 'ttl: 45\n');
    await edit({ replace: file });
    expect(await stored()).toEqual({ ttl: 45 });
  });
});
