import type { Counts } from '../tally.ts';

/**
 * The kinds of trouble that a sweep has to have had, with the words by which each is counted where it takes effect: that an
 * event is in a list does not mean that it ever did anything.
 */
export const troubleKinds: Readonly<Record<string, readonly string[]>> = {
  'partitions between an agent and Consul': ['agent and Consul: question lost', 'agent and Consul: refused'],
  'partitions between an agent and its server': ['agent and server: question lost', 'agent and server: refused'],
  'partitions between servers': ['streams cut', 'streams cut between two'],
  'partitions between agents': ['agents: question lost'],
  'pauses longer than the lease': ['leaders paused for longer than their lease'],
  'clock jumps': ['clock jumps beside an agent that runs'],
  'Consul leader changes': ['agent and Consul: no leader'],
  'lost answers': ['agent and Consul: answer lost', 'agent and server: answer lost'],
  'duplicated requests': ['agent and Consul: carried out twice', 'agent and server: carried out twice'],
};

/** Which of these did not happen at least `times` times. */
export function absentKinds(counts: Counts, times: number): readonly string[] {
  return Object.entries(troubleKinds).flatMap(([kind, words]) =>
    words.filter((what) => (counts.get(what) ?? 0) < times).map((what) => `${kind}: ${what}`),
  );
}
