import type { Gap, SlotVerdict, VerdictKind } from '../../domain/slot.ts';
import { currentStatus, freshLook } from '../../view/select.ts';
import type { Contact, View } from '../../view/view.ts';
import { ageMs } from '../rest/member-status.ts';
import { gateMetrics } from './gate-metrics.ts';
import { single, type Metric, type MetricSource, type Sample } from './metric.ts';

const verdictKinds: readonly VerdictKind[] = ['ready', 'not_ready', 'ahead', 'orphan', 'lost'];

/** slotkeeper's own metrics. */
export const slotkeeperMetrics: readonly Metric[] = [
  {
    name: 'slotkeeper_info',
    help: 'Always 1; the label says which version runs.',
    type: 'gauge',
    labels: ['version'],
    samples: ({ view }) => [{ labels: { version: view.self.agentVersion }, value: 1 }],
  },
  {
    name: 'slotkeeper_slot_verdict',
    help: 'One sample per slot and possible verdict, 1 for the one that holds on this member.',
    type: 'gauge',
    labels: ['slot', 'type', 'verdict'],
    samples: perSlot(({ verdict }) =>
      verdictKinds.map((kind) => ({ labels: { verdict: kind }, value: Number(kind === verdict.kind) })),
    ),
  },
  {
    name: 'slotkeeper_slot_position_bytes',
    help: 'Position of the slot on this member, in bytes of WAL.',
    type: 'gauge',
    labels: ['slot', 'type'],
    samples: perSlot(({ position }) => (position === null ? [] : [{ value: Number(position) }])),
  },
  {
    name: 'slotkeeper_slot_lag_bytes',
    help: 'How far the slot on this member is behind the same slot on the primary.',
    type: 'gauge',
    labels: ['slot', 'type'],
    samples: perSlot(({ slot, type, position }, view) => {
      const published = type === 'logical' ? currentStatus(view.consul.keys)?.slots.get(slot) : undefined;
      return published === undefined || position === null ? [] : [{ value: Math.max(0, Number(published - position)) }];
    }),
  },
  {
    name: 'slotkeeper_slot_consumer_lag_bytes',
    help: 'On the primary: WAL that the consumer of the slot has not confirmed yet.',
    type: 'gauge',
    labels: ['slot', 'type'],
    samples: perSlot(({ type, position }, view) => {
      const written = freshLook(view)?.currentLsn ?? null;
      return type !== 'logical' || written === null || position === null
        ? []
        : [{ value: Math.max(0, Number(written - position)) }];
    }),
  },
  {
    name: 'slotkeeper_template_lag_bytes',
    help: "How far a template slot on this standby is behind the primary's last published position: WAL that it holds.",
    type: 'gauge',
    labels: ['database'],
    samples: templateSamples,
  },
  {
    name: 'slotkeeper_slot_gaps',
    help: 'Ranges of WAL that consumers of the slot could not get from it, as far as they are recorded.',
    type: 'gauge',
    labels: ['slot'],
    samples: ({ view }) => gapSamples(view, () => 1),
  },
  {
    name: 'slotkeeper_slot_lost_bytes',
    help: 'Bytes of WAL in those ranges; a range whose end is not known counts 0.',
    type: 'gauge',
    labels: ['slot'],
    samples: ({ view }) => gapSamples(view, ({ from, to }) => (to === null ? 0 : Math.max(0, Number(to - from)))),
  },
  ...gateMetrics,
  {
    name: 'slotkeeper_problems',
    help: 'What is wrong on this member and a person can mend.',
    type: 'gauge',
    labels: ['code', 'severity'],
    samples: problemSamples,
  },
  {
    name: 'slotkeeper_action_total',
    help: 'What this agent did, and how it ended.',
    type: 'counter',
    labels: ['kind', 'outcome'],
    samples: ({ outcomes }) =>
      [...outcomes].map(([name, value]) => {
        const [kind = '', outcome = ''] = name.split(' ');
        return { labels: { kind, outcome }, value };
      }),
  },
  {
    name: 'slotkeeper_action_failures',
    help: 'Failures in a row of an action that fails at present.',
    type: 'gauge',
    labels: ['action'],
    samples: ({ view }) => [...view.failures].map(([action, { count }]) => ({ labels: { action }, value: count })),
  },
  single(
    'gauge',
    'slotkeeper_consul_contact_age_seconds',
    'Time since Consul answered, or since it stopped answering.',
    ({ view, moment }) => ageSeconds(view.consul.contact, moment.nowMs),
  ),
  single(
    'gauge',
    'slotkeeper_server_contact_age_seconds',
    'Time since PostgreSQL answered, or since it stopped answering.',
    ({ view, moment }) => ageSeconds(view.local.contact, moment.nowMs),
  ),
  single(
    'gauge',
    'slotkeeper_session_ttl_seconds',
    'TTL of the Consul session; absent without a session.',
    ({ view }) => (view.session.kind === 'held' ? view.session.ttlSeconds : null),
  ),
];

function perSlot(samples: (verdict: SlotVerdict, view: View) => readonly Sample[]): Metric['samples'] {
  return ({ view }) =>
    view.verdicts.flatMap((verdict) => {
      const { slot, type } = verdict;
      return samples(verdict, view).map(({ labels, value }) => ({ labels: { slot, type, ...labels }, value }));
    });
}

function templateSamples({ view, plan }: MetricSource): readonly Sample[] {
  const optime = currentStatus(view.consul.keys)?.optime;
  if (optime === undefined) return [];
  return [...(plan.member.extras?.templates ?? [])].map(([database, position]) => ({
    labels: { database },
    value: Math.max(0, Number(optime - position)),
  }));
}

function gapSamples(view: View, weight: (gap: Gap) => number): readonly Sample[] {
  const sums = new Map<string, number>();
  const recorded = (view.consul.keys?.slotHistory?.value ?? []).flatMap(({ gaps }) => gaps);
  const open = [...(view.consul.keys?.status?.value?.extras?.lost ?? [])]
    .map(([slot, { from, why }]): Gap => ({ slot, from, to: null, why }))
    .filter((gap) => !recorded.some(({ slot, from }) => slot === gap.slot && from === gap.from));
  for (const gap of [...recorded, ...open]) sums.set(gap.slot, (sums.get(gap.slot) ?? 0) + weight(gap));
  return [...sums].map(([slot, value]) => ({ labels: { slot }, value }));
}

function problemSamples({ plan }: MetricSource): readonly Sample[] {
  const counts = new Map<string, { readonly labels: { code: string; severity: string }; readonly value: number }>();
  for (const { code, severity } of plan.problems) {
    const name = `${code} ${severity}`;
    counts.set(name, { labels: { code, severity }, value: (counts.get(name)?.value ?? 0) + 1 });
  }
  return [...counts.values()];
}

function ageSeconds(contact: Contact, nowMs: number): number | null {
  const age = ageMs(contact, nowMs);
  return age === null ? null : age / 1_000;
}
