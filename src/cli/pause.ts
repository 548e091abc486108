import { isMap } from '../config/field.ts';
import type { AccessOptions } from '../config/cluster-access.ts';
import { decodeDynamicConfig } from '../config/dynamic.ts';
import { patchConfig } from '../config/patch.ts';
import { withCluster, type ClusterReading } from './cluster.ts';
import { writeConfig } from './edit-config.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { ConfigurationError } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { waitForKeys } from './waiting.ts';

export interface PauseOptions extends AccessOptions {
  /** Until every member says that it knows. */
  readonly wait: boolean;
}

/** How long members may take to say so. */
const patienceMs = 15_000;

/** `slotkeeper pause`: nothing is promoted, restarted or dropped until `resume`. */
export function pause(options: PauseOptions, terminal: Terminal): Promise<ExitCode> {
  return setPause(options, true, terminal);
}

/** `slotkeeper resume`. */
export function resume(options: PauseOptions, terminal: Terminal): Promise<ExitCode> {
  return setPause(options, false, terminal);
}

function setPause(options: PauseOptions, wanted: boolean, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, async (reading) => {
    const present = configIn(reading);
    if ((decodeDynamicConfig(JSON.stringify(present)).config?.pause ?? false) === wanted)
      throw new Error(`Cluster is ${wanted ? 'already' : 'not'} paused`);
    await writeConfig(reading, JSON.stringify(patchConfig(present, { pause: wanted || null })), terminal.stop);
    if (options.wait && !(await isKnown(reading, wanted, terminal))) return exitCodes.failure;
    terminal.out(`Success: cluster management is ${wanted ? 'paused' : 'resumed'}`);
    return exitCodes.ok;
  });
}

function configIn({ config }: ClusterReading): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(config?.value ?? '{}');
    if (isMap(value)) return value;
  } catch {
    // Told like everything else that is no object.
  }
  throw new ConfigurationError('the cluster configuration is not a JSON object; slotkeeper edit-config mends it', []);
}

async function isKnown(reading: ClusterReading, wanted: boolean, terminal: Terminal): Promise<boolean> {
  const names = [...reading.keys.members].filter(([, { value }]) => value?.apiUrl != null).map(([name]) => name);
  const unaware = await waitForKeys(reading, patienceMs, terminal.stop, (keys) => {
    const left = names.filter((name) => keys.members.has(name) && keys.members.get(name)?.value?.pause !== wanted);
    return { isEnough: left.length === 0, seen: left };
  });
  if (unaware.length === 0) return true;
  terminal.err(`${unaware.join(', ')} did not take notice within ${patienceMs / 1_000} seconds`);
  return false;
}
