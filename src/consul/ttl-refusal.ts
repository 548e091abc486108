const pattern = /Invalid Session TTL '[^']*', must be between \[([^=\]]+)=([^\]]+)\]/i;

const secondsPer: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ns: 1e-9,
};

/**
 * The bounds in Consul's refusal of a session TTL, in seconds; null when `text` is something else. The answer is the
 * only place where the minimum can be read (`agent/self` does not carry it). Through a client agent the words come with
 * a prefix (`rpc error making call: …`), so they are looked for anywhere in the text.
 */
export function ttlBounds(text: string): { readonly minSeconds: number; readonly maxSeconds: number } | null {
  const match = pattern.exec(text);
  const minSeconds = durationSeconds(match?.[1] ?? '');
  const maxSeconds = durationSeconds(match?.[2] ?? '');
  return minSeconds === null || maxSeconds === null ? null : { minSeconds, maxSeconds };
}

/** A duration as Go prints it (`10s`, `24h0m0s`, `1m30s`, `1.5s`), in seconds; null when the text is not one. */
export function durationSeconds(text: string): number | null {
  const part = /([0-9]+(?:\.[0-9]+)?)(h|ms|us|µs|μs|ns|m|s)/y;
  let seconds = 0;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    const factor = secondsPer[match?.[2] ?? ''];
    if (match === null || factor === undefined) return null;
    seconds += Number(match[1]) * factor;
  }
  return text === '' ? null : seconds;
}
