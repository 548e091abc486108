/** The full names of the keys of one scope. Consul's keys have no leading slash. */
export interface ScopeKeys {
  /** `<namespace>/<scope>/`: everything below it belongs to the scope. */
  readonly prefix: string;
  readonly initialize: string;
  readonly config: string;
  readonly leader: string;
  readonly status: string;
  readonly optimeLeader: string;
  readonly history: string;
  readonly slotHistory: string;
  readonly restartTurn: string;
  readonly failover: string;
  readonly sync: string;
  readonly failsafe: string;
  readonly terms: string;
  readonly membersPrefix: string;
}

/** What a key below the prefix is for. Keys that slotkeeper does not read have no place. */
export type KeyPlace =
  | { readonly kind: 'member'; readonly name: string }
  | {
      readonly kind:
        | 'initialize'
        | 'config'
        | 'leader'
        | 'status'
        | 'optimeLeader'
        | 'history'
        | 'slotHistory'
        | 'restartTurn'
        | 'failover'
        | 'sync'
        | 'failsafe'
        | 'terms';
    };

/**
 * The key names of a scope. `namespace` may be given as in patroni.yml (`/service/`): slashes around it do not count,
 * doubled ones become one, and an empty one puts the scope at the top.
 */
export function scopeKeys(namespace: string, scope: string): ScopeKeys {
  const prefix = [...namespace.split('/'), ...scope.split('/')].filter((part) => part !== '').join('/') + '/';
  return {
    prefix,
    initialize: `${prefix}initialize`,
    config: `${prefix}config`,
    leader: `${prefix}leader`,
    status: `${prefix}status`,
    optimeLeader: `${prefix}optime/leader`,
    history: `${prefix}history`,
    slotHistory: `${prefix}slot_history`,
    restartTurn: `${prefix}slotkeeper/restart_turn`,
    failover: `${prefix}failover`,
    sync: `${prefix}sync`,
    failsafe: `${prefix}failsafe`,
    terms: `${prefix}slotkeeper/terms`,
    membersPrefix: `${prefix}members/`,
  };
}

export function memberKey(keys: ScopeKeys, member: string): string {
  return keys.membersPrefix + member;
}

/** Which of the scope's keys `path` is; null = none that slotkeeper reads. */
export function placeOf(keys: ScopeKeys, path: string): KeyPlace | null {
  switch (path) {
    case keys.initialize:
      return { kind: 'initialize' };
    case keys.config:
      return { kind: 'config' };
    case keys.leader:
      return { kind: 'leader' };
    case keys.status:
      return { kind: 'status' };
    case keys.optimeLeader:
      return { kind: 'optimeLeader' };
    case keys.history:
      return { kind: 'history' };
    case keys.slotHistory:
      return { kind: 'slotHistory' };
    case keys.restartTurn:
      return { kind: 'restartTurn' };
    case keys.failover:
      return { kind: 'failover' };
    case keys.sync:
      return { kind: 'sync' };
    case keys.failsafe:
      return { kind: 'failsafe' };
    case keys.terms:
      return { kind: 'terms' };
  }
  if (!path.startsWith(keys.membersPrefix)) return null;
  const name = path.slice(keys.membersPrefix.length);
  // A member's name has no slash; a key that ends in one is a folder that Consul's web page makes.
  return name === '' || name.includes('/') ? null : { kind: 'member', name };
}
