import type { SlotFilterTerm } from './config.ts';

/** Whether one of the terms matches the slot. No terms match nothing. */
export function matchesFilter(
  terms: readonly SlotFilterTerm[],
  slot: { readonly name: string; readonly plugin: string },
): boolean {
  return terms.some((term) => {
    switch (term.key) {
      case 'name':
        return slot.name === term.value;
      case 'name_like':
        return matchesLike(slot.name, term.value);
      case 'plugin':
        return slot.plugin === term.value;
    }
  });
}

/**
 * SQL's `text LIKE pattern`: `%` is any text, `_` any one character, `\` takes the next character literally. Goes back
 * only to the last `%`, so that no pattern takes longer than the product of both lengths.
 */
export function matchesLike(text: string, pattern: string): boolean {
  const steps = likeSteps(pattern);
  const chars = Array.from(text);
  let at = 0;
  let step = 0;
  let retry: { at: number; step: number } | null = null;
  while (at < chars.length) {
    const expected = steps[step];
    if (expected?.kind === 'any_text') {
      step += 1;
      retry = { at, step };
    } else if (expected !== undefined && (expected.kind === 'any_one' || expected.char === chars[at])) {
      at += 1;
      step += 1;
    } else if (retry !== null) {
      retry = { at: retry.at + 1, step: retry.step };
      ({ at, step } = retry);
    } else {
      return false;
    }
  }
  return steps.slice(step).every((rest) => rest.kind === 'any_text');
}

type LikeStep =
  { readonly kind: 'any_text' } | { readonly kind: 'any_one' } | { readonly kind: 'char'; readonly char: string };

function likeSteps(pattern: string): readonly LikeStep[] {
  const steps: LikeStep[] = [];
  const chars = Array.from(pattern);
  for (let i = 0; i < chars.length; i += 1) {
    const char = chars[i] ?? '';
    if (char === '%') steps.push({ kind: 'any_text' });
    else if (char === '_') steps.push({ kind: 'any_one' });
    else if (char === '\\' && i + 1 < chars.length) steps.push({ kind: 'char', char: chars[(i += 1)] ?? '' });
    else steps.push({ kind: 'char', char });
  }
  return steps;
}
