/** What the process ends with. Documented in the README; scripts and service managers may rely on it. */
export const exitCodes = {
  ok: 0,
  /** Something went wrong that none of the others says. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A configuration is wrong: the file that was given, or the cluster configuration. Nothing was changed. */
  badConfiguration: 3,
  /** Consul could not be reached, or did not answer as it should. */
  consul: 4,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
