import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAgentConfig, type AgentConfig } from '../../src/config/agent.ts';
import { readAgain, type AgentFile } from '../../src/reload.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const source = `scope: batman
name: postgresql0
consul: {token: HUSH}
postgresql: {data_dir: /data}
`;

describe("reading the agent's file again", () => {
  /** An agent that was started with a file which has been written anew since. */
  async function rewritten(text: string): Promise<{ readonly running: AgentConfig; readonly file: AgentFile }> {
    const path = join(folder, 'agent.yml');
    const read = () => loadAgentConfig(path, {});
    await writeFile(path, source);
    const loaded = await read();
    if ('problems' in loaded) throw new Error('the first one is wrong');
    await writeFile(path, text);
    return { running: loaded.config, file: { path, read } };
  }

  test('gives what it says now', async () => {
    const { running, file } = await rewritten(`${source}tags: {nostream: true}\n`);
    const { adopted, problems } = await readAgain(running, file);
    expect(adopted?.config.tags.nostream).toBe(true);
    expect(problems).toEqual([]);
  });

  test('a wrong one is told with the places of its mistakes and none of its secrets', async () => {
    const { running, file } = await rewritten(`${source.replace('scope: batman', 'scope: a/b')}tags: 3\n`);
    const { adopted, problems } = await readAgain(running, file);
    expect(adopted).toBeNull();
    expect(problems).toMatchObject([{ code: 'agent_file', severity: 'error' }]);
    expect(problems[0]?.what).toMatch(/scope \(line 1\).*; tags \(line 5\)/);
    expect(problems[0]?.what).not.toContain('HUSH');
  });

  test('one that is gone is told', async () => {
    const { running, file } = await rewritten(source);
    await rm(file.path);
    const { adopted, problems } = await readAgain(running, file);
    expect(adopted).toBeNull();
    expect(problems[0]?.what).toContain('the file cannot be read');
  });

  test('what needs another start is told by name', async () => {
    const { running, file } = await rewritten(source.replace('postgresql0', 'postgresql1'));
    const { adopted, problems } = await readAgain(running, file);
    expect(adopted?.config.name).toBe('postgresql0');
    expect(problems).toMatchObject([{ code: 'agent_file_kept', severity: 'warning' }]);
    expect(problems[0]?.what).toMatch(/: name$/);
  });

  test('certificates that can not be read change nothing', async () => {
    const withTls = `${source}restapi: {certfile: ${join(folder, 'absent.pem')}}\n`;
    const { file } = await rewritten(withTls);
    const loaded = await file.read();
    if ('problems' in loaded) throw new Error('it is wrong');
    const { adopted, problems } = await readAgain(loaded.config, file);
    expect(adopted).toBeNull();
    expect(problems[0]?.what).toContain('restapi.certfile cannot be read');
  });
});
