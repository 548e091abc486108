import { Counter, Gauge, Registry } from 'prom-client';
import type { Outcome } from '../domain/action.ts';
import { patroniMetrics } from './metrics/patroni-metrics.ts';
import { processMetrics } from './metrics/process-metrics.ts';
import type { Metric, MetricSource } from './metrics/metric.ts';
import { slotkeeperMetrics } from './metrics/slotkeeper-metrics.ts';
import type { Moment } from './rest/answer.ts';

/** Counts how actions end; everything else on the page follows from the newest turn. */
export interface OutcomeTally {
  readonly count: (outcome: Outcome) => void;
  /** `<action> <done|failed|refused>` → how often. */
  readonly counts: ReadonlyMap<string, number>;
}

export function outcomeTally(): OutcomeTally {
  const counts = new Map<string, number>();
  return {
    counts,
    count: (outcome) => {
      const action = outcome.kind === 'done' ? outcome.done.action : outcome.action;
      const ending = outcome.kind === 'done' ? 'done' : outcome.failure.refused ? 'refused' : 'failed';
      const name = `${action.kind} ${ending}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
  };
}

const metrics: readonly Metric[] = [...patroniMetrics, ...slotkeeperMetrics, ...processMetrics];

/**
 * The page for Prometheus: Patroni's metrics under Patroni's names, and slotkeeper's own. Every sample has the labels
 * `scope` and `name`. Built anew from the moment for each request, so that what is gone (a slot, a problem) is gone here.
 */
export async function metricsPage(
  moment: Moment,
  tally: OutcomeTally,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const registry = new Registry();
  const { scope, name } = moment.turn.view.self;
  const source: MetricSource = { moment, view: moment.turn.view, plan: moment.turn.plan, outcomes: tally.counts };
  for (const metric of metrics) {
    const settings = {
      name: metric.name,
      help: metric.help,
      labelNames: ['scope', 'name', ...(metric.labels ?? [])],
      registers: [registry],
    };
    const write = writerOf(metric, settings);
    for (const { labels = {}, value } of metric.samples(source)) write({ scope, name, ...labels }, value);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function writerOf(
  { type }: Metric,
  settings: { name: string; help: string; labelNames: string[]; registers: Registry[] },
): (labels: Readonly<Record<string, string>>, value: number) => void {
  if (type === 'gauge') {
    const gauge = new Gauge(settings);
    return (labels, value) => gauge.set(labels, value);
  }
  const counter = new Counter(settings);
  return (labels, value) => counter.inc(labels, value);
}
