import { loadAgentConfig, type AgentConfig } from '../config/agent.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { ConfigurationError, mistakes } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { programVersion } from './version.ts';

/** `slotkeeper agent`: runs until it is told to stop. */
export async function agent(options: { readonly configFile: string }, terminal: Terminal): Promise<ExitCode> {
  const config = await agentConfig(options.configFile, terminal);
  // Loaded late, so that a wrong configuration is told at once.
  const { runAgent } = await import('../run.ts');
  await runAgent(config, { agentVersion: programVersion(), env: terminal.env, stop: terminal.stop });
  return exitCodes.ok;
}

/** The configuration of an agent. Throws ConfigurationError with everything that is wrong with it. */
export async function agentConfig(path: string, terminal: Pick<Terminal, 'env'>): Promise<AgentConfig> {
  const loaded = await loadAgentConfig(path, terminal.env);
  if ('config' in loaded) return loaded.config;
  throw new ConfigurationError(`${mistakes(loaded.problems)} in ${path}`, loaded.problems);
}
