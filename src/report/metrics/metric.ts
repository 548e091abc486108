import type { Plan } from '../../plan/plan.ts';
import type { View } from '../../view/view.ts';
import type { Moment } from '../rest/answer.ts';

/** What the values on the page are made from. */
export interface MetricSource {
  readonly moment: Moment;
  readonly view: View;
  readonly plan: Plan;
  readonly outcomes: ReadonlyMap<string, number>;
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric: its name and words, and how its samples follow from what is known. No sample = not known. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  /** Labels besides `scope` and `name`. */
  readonly labels?: readonly string[];
  readonly samples: (source: MetricSource) => readonly Sample[];
}

/** A metric with one value; null = not known. */
export function single(
  type: Metric['type'],
  name: string,
  help: string,
  value: (source: MetricSource) => number | bigint | boolean | null,
): Metric {
  return {
    name,
    help,
    type,
    samples: (source) => {
      const found = value(source);
      return found === null ? [] : [{ value: Number(found) }];
    },
  };
}
