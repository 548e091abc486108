/** What the agent registers with its local Consul agent: one service named after the scope, its role as tag. */
export interface ServiceState {
  readonly tags: readonly string[];
  /** The REST path that Consul's HTTP check asks: answers 200 only in this role. */
  readonly checkPath: string;
  /** The state that the check `slots` starts with. */
  readonly slots: CheckState;
}

/** State and words of the check `slots`, as Consul's health views show them. */
export interface CheckState {
  readonly status: 'passing' | 'warning' | 'critical';
  readonly output: string;
}
