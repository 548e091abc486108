import { describe, expect, test } from 'vitest';
import { decodeMember, encodeMember } from '../../../src/consul/codec/member.ts';
import { decodeStatus, encodeStatus } from '../../../src/consul/codec/status.ts';
import type { Action } from '../../../src/domain/action.ts';
import { laneOf } from '../../../src/domain/action.ts';
import type { ClusterKeys, Key, Member } from '../../../src/domain/cluster.ts';
import type { ServerLook } from '../../../src/domain/server.ts';
import type { DeclaredSlot } from '../../../src/domain/slot.ts';
import { plan } from '../../../src/plan/plan.ts';
import { fold } from '../../../src/view/fold.ts';
import type { Observation } from '../../../src/view/observation.ts';
import type { View } from '../../../src/view/view.ts';
import { aConfig, declared } from '../../support/situations.ts';
import {
  aKey,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aPrimaryLook,
  aStandbyLook,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

/** A primary, a standby and a cascade: the real fold and plan, everything else done at once. Counts writes to Consul. */
class Miniature {
  keys: ClusterKeys;
  views: Map<string, View>;
  nowMs = nowMs;
  writes = 0;
  /** What the consumer has confirmed and what is written, in bytes. */
  position = 0x3000n;
  /** Where the slots of members are on servers that they do not stream from. */
  readonly idle = new Map([
    ['alpha gamma', 0x3000n],
    ['gamma beta', 0x3000n],
  ]);
  /** What others than the consumer's changes add to the WAL. */
  written = 0n;
  readonly here = new Map([
    ['beta', 0x3000n],
    ['gamma', 0x3000n],
  ]);

  constructor() {
    const gamma = aMember('gamma', { extras: { ...aMember('gamma').extras!, upstream: 'beta' } });
    const physical = { type: 'physical' } as const;
    const config = aConfig({
      slots: new Map<string, DeclaredSlot>([
        ['orders', declared],
        ['beta', physical],
        ['gamma', physical],
      ]),
    });
    this.keys = someKeys({
      config: aKey(config),
      members: new Map([
        ...someKeys().members,
        ['gamma', aKey(gamma, { modifyIndex: 42, session: sessionOf('gamma') })],
      ]),
    });
    this.views = new Map(
      ['alpha', 'beta', 'gamma'].map((name) => [
        name,
        aView(name, { config, consul: { contact: { kind: 'never' }, keys: null } }),
      ]),
    );
  }

  look(name: string): ServerLook {
    const at = name === 'alpha' ? this.position : this.here.get(name)!;
    const slot = aLogicalSlot({ confirmedFlushLsn: at, active: name === 'alpha' });
    const currentLsn = this.position + this.written + 0x1000n;
    const physical = ['beta', 'gamma']
      .filter((other) => other !== name)
      .map((other) => {
        const idle = this.idle.get(`${name} ${other}`);
        return aPhysicalSlot({ name: other, active: idle === undefined, restartLsn: idle ?? currentLsn });
      });
    if (name === 'alpha') return aPrimaryLook({ currentLsn, slots: [...physical, slot] });
    const upstream = name === 'beta' ? 'alpha' : 'beta';
    const usual = aStandbyLook({ replayedLsn: currentLsn, slots: [slot, ...physical] });
    return {
      ...usual,
      receiver: { ...usual.receiver!, senderHost: `${upstream}.test`, slotName: name },
      settings: { ...usual.settings, primarySlotName: name },
    };
  }

  /** All members look and act, as often as their plans say, for `seconds`; `load` says what moves. */
  run(seconds: number, load: 'none' | 'consumer' | 'wal'): number {
    const before = this.writes;
    const nextLook = new Map<string, number>();
    for (const endMs = this.nowMs + seconds * 1_000; this.nowMs < endMs; this.nowMs += 100) {
      if (load === 'consumer') this.position += 0x200n;
      if (load === 'wal') this.written += 0x100n;
      for (const name of this.views.keys()) {
        if (this.nowMs >= (nextLook.get(name) ?? 0)) {
          this.tell(name, { kind: 'look', startedAtMs: this.nowMs, look: this.look(name) });
          nextLook.set(name, this.nowMs + plan(this.views.get(name)!).lookAgainMs);
        }
        this.tell(name, { kind: 'tick' });
      }
    }
    return this.writes - before;
  }

  private tell(name: string, observation: { kind: Observation['kind'] } & Record<string, unknown>): void {
    const dated = { atMs: this.nowMs, wallMs: this.nowMs, ...observation } as Observation;
    let view = fold(this.views.get(name)!, dated);
    if (view.consul.keys !== this.keys)
      view = fold(view, { atMs: this.nowMs, wallMs: this.nowMs, kind: 'keys', keys: this.keys });
    const busy = new Set<string>();
    for (const action of plan(view).actions) {
      if (busy.has(laneOf(action))) continue;
      busy.add(laneOf(action));
      view = fold(view, { atMs: this.nowMs, wallMs: this.nowMs, kind: 'started', action });
      const result = this.perform(name, action);
      const ended = { kind: 'done', startedAtMs: this.nowMs, endedAtMs: this.nowMs, done: { action, result } };
      view = fold(view, {
        atMs: this.nowMs,
        wallMs: this.nowMs,
        kind: 'outcome',
        outcome: ended,
      } as unknown as Observation);
    }
    this.views.set(name, view);
  }

  private perform(name: string, action: Action): unknown {
    const index = this.keys.index + 1;
    const stamp = { modifyIndex: index, session: sessionOf(name) };
    switch (action.kind) {
      case 'publish_member': {
        const read = decodeMember(encodeMember(action.member), () => undefined);
        const members = new Map<string, Key<Member>>(this.keys.members).set(name, aKey(read, stamp));
        this.keys = { ...this.keys, index, members };
        break;
      }
      case 'publish_status': {
        const read = decodeStatus(encodeStatus(action.status), () => undefined);
        this.keys = { ...this.keys, index, status: aKey(read, { modifyIndex: index }) };
        break;
      }
      case 'advance_logical_slot':
        this.here.set(name, action.target);
        return action.target;
      case 'advance_physical_slot':
        this.idle.set(`${name} ${action.slot}`, action.target);
        return action.target;
      case 'register_service':
      case 'save_ledger':
        return null;
      case 'report_check':
        return 'updated';
      default:
        throw new Error(`nobody expected ${action.kind} here`);
    }
    this.writes += 1;
    return { createIndex: 10, modifyIndex: index };
  }
}

describe('writes to Consul of three members together', { timeout: 30_000 }, () => {
  test('an idle cluster writes nothing', () => {
    const cluster = new Miniature();
    cluster.run(60, 'none');
    expect(cluster.run(60, 'none')).toBe(0);
  });

  test('under constant load at most 90 a minute, from the first minute on', () => {
    const cluster = new Miniature();
    cluster.run(60, 'none');
    const minutes = [1, 2].map(() => cluster.run(60, 'consumer'));
    for (const writes of minutes) expect(writes).toBeLessThanOrEqual(90);
    expect(cluster.here.get('gamma')).toBeGreaterThan(0x3000n);
  });

  test('WAL without a moving consumer costs only the regular writes', () => {
    const cluster = new Miniature();
    cluster.run(10, 'consumer');
    cluster.run(10, 'none');
    expect(cluster.run(60, 'wal')).toBeLessThanOrEqual(40);
  });

  test('a cascade stays ready under constant load', () => {
    const cluster = new Miniature();
    cluster.run(60, 'consumer');
    for (const name of ['beta', 'gamma']) {
      expect(
        cluster.views
          .get(name)
          ?.verdicts.filter(({ type }) => type === 'logical')
          .map(({ slot, verdict }) => [slot, verdict.kind]),
      ).toEqual([['orders', 'ready']]);
    }
  });

  test('after the load the cluster comes to rest at its last position', () => {
    const cluster = new Miniature();
    cluster.run(10, 'consumer');
    cluster.run(30, 'none');
    expect([...cluster.here.values()]).toEqual([cluster.position, cluster.position]);
    expect(cluster.run(60, 'none')).toBe(0);
  });
});
