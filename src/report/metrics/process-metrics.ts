import { single, type Metric } from './metric.ts';

/** What the agent itself costs. */
export const processMetrics: readonly Metric[] = [
  single('gauge', 'slotkeeper_process_resident_memory_bytes', 'Memory of the agent (RSS).', () =>
    process.memoryUsage.rss(),
  ),
  single(
    'gauge',
    'slotkeeper_process_heap_bytes',
    "Used part of the agent's JavaScript heap.",
    () => process.memoryUsage().heapUsed,
  ),
  single('counter', 'slotkeeper_process_cpu_seconds_total', 'CPU time of the agent, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  }),
  single('gauge', 'slotkeeper_process_uptime_seconds', 'Time since the agent was started.', () => process.uptime()),
];
