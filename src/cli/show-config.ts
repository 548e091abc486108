import { stringify } from 'yaml';
import type { AccessOptions } from '../config/cluster-access.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { mistakes, problemLines } from './failure.ts';
import type { Terminal } from './terminal.ts';

/**
 * `slotkeeper show-config`: the cluster configuration as YAML, or as the JSON that it is. A wrong one is shown as well,
 * with what is wrong on standard error.
 */
export function showConfig(options: AccessOptions & { readonly json: boolean }, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, ({ config, configProblems, names }) => {
    if (config === null) {
      terminal.err(`slotkeeper: there is no cluster configuration (key ${names.config}); edit-config makes one`);
      return exitCodes.failure;
    }
    const raw = config.value ?? '';
    const wrong = configProblems.some(({ severity }) => severity === 'error');
    terminal.out(options.json ? raw : asYaml(raw));
    if (configProblems.length > 0) {
      if (wrong) terminal.err(`slotkeeper: ${mistakes(configProblems)}; agents keep to the last good configuration`);
      for (const line of problemLines(configProblems)) terminal.err(line);
    }
    return wrong ? exitCodes.badConfiguration : exitCodes.ok;
  });
}

/** What is not JSON is shown as it is. */
function asYaml(raw: string): string {
  try {
    return configText(JSON.parse(raw));
  } catch {
    return raw;
  }
}

/** A configuration in the form in which it is shown and edited. */
export function configText(config: unknown): string {
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd();
}
