import { loadAgentConfig, type AgentConfig } from '../config/agent.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { ConfigurationError, mistakes } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { programVersion } from './version.ts';

/** Which agent's file a command reads, and what the command line says over it. */
export interface AgentFileOptions {
  readonly configFile: string;
  /** `--ha`, as it was given; null = not given. */
  readonly ha: string | null;
}

/** `slotkeeper agent`: runs until it is told to stop. */
export async function agent(options: AgentFileOptions, terminal: Terminal): Promise<ExitCode> {
  const config = await agentConfig(options, terminal);
  // Loaded late, so that a wrong configuration is told at once.
  const { runAgent } = await import('../run.ts');
  await runAgent(config, { agentVersion: programVersion(), env: terminal.env, stop: terminal.stop });
  return exitCodes.ok;
}

/** The configuration of an agent. Throws ConfigurationError with everything that is wrong with it. */
export async function agentConfig(
  { configFile, ha }: AgentFileOptions,
  terminal: Pick<Terminal, 'env'>,
): Promise<AgentConfig> {
  const loaded = await loadAgentConfig(configFile, terminal.env, ha === null ? [] : [['--ha', ['ha'], ha]]);
  if ('config' in loaded) return loaded.config;
  throw new ConfigurationError(`${mistakes(loaded.problems)} in ${configFile}`, loaded.problems);
}
