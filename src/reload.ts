import type { TlsOptions } from 'node:tls';
import { describeError } from './base/errors.ts';
import type { AgentConfig, LoadedConfig } from './config/agent.ts';
import { adopt } from './config/reload.ts';
import type { Problem } from './domain/problem.ts';
import { loadTls } from './report/rest/tls.ts';

/** The file that an agent was started with. */
export interface AgentFile {
  readonly path: string;
  /** Reads it, with the environment and the command line over it. */
  readonly read: () => Promise<LoadedConfig>;
}

/** What reading the agent's file again came to. */
export interface Reading {
  /** Null = it is wrong, and nothing changes. */
  readonly adopted: { readonly config: AgentConfig; readonly tls: TlsOptions | null } | null;
  /** Stay until the file is read again. */
  readonly problems: readonly Problem[];
}

/**
 * Reads the agent's file again while it runs with `running`. Certificates are read anew also where the file says the same of
 * them: they are renewed in their place. Never rejects.
 */
export async function readAgain(running: AgentConfig, file: AgentFile): Promise<Reading> {
  try {
    const loaded = await file.read();
    if ('problems' in loaded)
      return refused(
        file,
        loaded.problems.map(({ what }) => what),
      );
    const { config, kept } = adopt(running, loaded.config);
    const { tls } = config.restapi;
    const adopted = { config, tls: tls === null ? null : await loadTls(tls) };
    return { adopted, problems: kept.length === 0 ? [] : [keptProblem(file, kept)] };
  } catch (error) {
    return refused(file, [describeError(error)]);
  }
}

function refused({ path }: AgentFile, mistakes: readonly string[]): Reading {
  const what = `${path} was read again and is wrong; all stays as it was: ${mistakes.join('; ')}`;
  const fix = 'correct it, then: slotkeeper reload';
  return { adopted: null, problems: [{ code: 'agent_file', severity: 'error', what, fix }] };
}

function keptProblem({ path }: AgentFile, kept: readonly string[]): Problem {
  const what = `${path} has changes that count only when the agent is started again: ${kept.join(', ')}`;
  return { code: 'agent_file_kept', severity: 'warning', what, fix: 'take them back, or start the agent again' };
}
