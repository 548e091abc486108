import { loadAgentConfig, type AgentConfig, type LoadedConfig } from '../config/agent.ts';
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
  const { env, stop, onHangup } = terminal;
  const file = { path: options.configFile, read: () => load(options, terminal) };
  await runAgent(config, { agentVersion: programVersion(), env, file, onHangup, stop });
  return exitCodes.ok;
}

/** The configuration of an agent. Throws ConfigurationError with everything that is wrong with it. */
export async function agentConfig(options: AgentFileOptions, terminal: Pick<Terminal, 'env'>): Promise<AgentConfig> {
  const loaded = await load(options, terminal);
  if ('config' in loaded) return loaded.config;
  throw new ConfigurationError(`${mistakes(loaded.problems)} in ${options.configFile}`, loaded.problems);
}

function load({ configFile, ha }: AgentFileOptions, { env }: Pick<Terminal, 'env'>): Promise<LoadedConfig> {
  return loadAgentConfig(configFile, env, ha === null ? [] : [['--ha', ['ha'], ha]]);
}
