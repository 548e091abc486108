import type { Argv } from 'yargs';
import type { AccessOptions } from '../config/cluster-access.ts';

/** The options by which a command finds its cluster. */
export function accessOptions<T>(y: Argv<T>) {
  return y
    .option('config', {
      alias: 'c',
      type: 'string',
      requiresArg: true,
      describe: 'An agent configuration, patroni.yml or patronictl.yaml',
    })
    .option('consul', { type: 'string', requiresArg: true, describe: 'Consul: host:port or URL' })
    .option('scope', { type: 'string', requiresArg: true, describe: 'Name of the cluster' })
    .option('namespace', { type: 'string', requiresArg: true, describe: 'Where its keys are (default: service)' })
    .option('token-file', { type: 'string', requiresArg: true, describe: "File with Consul's ACL token" });
}

/** What they say. */
export function accessOf(args: {
  readonly config: string | undefined;
  readonly consul: string | undefined;
  readonly scope: string | undefined;
  readonly namespace: string | undefined;
  readonly tokenFile: string | undefined;
}): AccessOptions {
  return {
    configFile: args.config ?? null,
    consul: args.consul ?? null,
    scope: args.scope ?? null,
    namespace: args.namespace ?? null,
    tokenFile: args.tokenFile ?? null,
  };
}
