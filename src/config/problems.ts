import type { Problem } from '../domain/problem.ts';
import { shorten } from '../base/printable.ts';
import type { Finding } from './field.ts';

/** More findings than this are counted, not listed: the list goes into logs and answers. */
const mostListed = 100;

/** How findings become problems of one document. */
export interface Wording {
  /** The place in words, e.g. `slots.a.plugin (line 12)`. */
  readonly place: (path: readonly string[]) => string;
  readonly fix: (finding: Finding) => string | null;
}

/** Errors first, in the order of the document; all of them, or the first hundred and how many there are more. */
export function problemsOf(findings: readonly Finding[], wording: Wording): readonly Problem[] {
  const sorted = [...findings].sort((a, b) => Number(isMistake(b)) - Number(isMistake(a)));
  const problems = sorted.slice(0, mostListed).map((finding) => problemOf(finding, wording));
  const more = findings.length - problems.length;
  if (more > 0) problems.push({ code: 'config_more', severity: 'error', what: `and ${more} more mistakes`, fix: null });
  return problems;
}

export function isMistake(finding: Finding): boolean {
  return finding.kind !== 'adjusted' && finding.kind !== 'unused';
}

/** A path as people write it. */
export function pathText(path: readonly string[]): string {
  return path.map(shorten).join('.');
}

function problemOf(finding: Finding, wording: Wording): Problem {
  const note = finding.note === undefined ? '' : ` (${finding.note})`;
  return {
    code: `config_${finding.kind}`,
    severity: isMistake(finding) ? 'error' : 'warning',
    what: `${wording.place(finding.path)} ${stateOf(finding)}${note}; ${remedyOf(finding)}${finding.allowed}`,
    fix: wording.fix(finding),
  };
}

function stateOf(finding: Finding): string {
  switch (finding.kind) {
    case 'missing':
      return 'is missing';
    case 'unknown_key':
      return 'is unknown';
    case 'unused':
      return 'is not used';
    case 'unsupported':
    case 'type':
    case 'value':
    case 'adjusted':
      return `is ${finding.found ?? 'empty'}`;
  }
}

function remedyOf(finding: Finding): string {
  switch (finding.kind) {
    case 'unsupported':
      return '';
    case 'adjusted':
      return 'used instead: ';
    case 'missing':
    case 'unknown_key':
    case 'unused':
    case 'type':
    case 'value':
      return 'allowed: ';
  }
}
