import { gateReport } from '../../plan/standby-gate.ts';
import { single, type Metric } from './metric.ts';

/** The gate, on the primary; no samples where none is kept. */
export const gateMetrics: readonly Metric[] = [
  single(
    'gauge',
    'slotkeeper_gate_enforced',
    'On the primary: whether something holds consumers back until standbys have a change.',
    ({ view }) => {
      const report = gateReport(view);
      return report === null ? null : report.enforcedBy !== null;
    },
  ),
  single(
    'gauge',
    'slotkeeper_gate_slots',
    'On the primary: physical slots that consumers wait for.',
    ({ view }) => gateReport(view)?.slots.length ?? null,
  ),
  {
    name: 'slotkeeper_gate_left_out',
    help: 'On the primary: 1 for each physical slot that was asked for and that consumers do not wait for.',
    type: 'gauge',
    labels: ['slot'],
    samples: ({ view }) =>
      [...(gateReport(view)?.leftOut.keys() ?? [])].map((slot) => ({ labels: { slot }, value: 1 })),
  },
];
