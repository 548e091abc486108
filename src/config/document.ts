import { readFile } from 'node:fs/promises';
import { describeError } from '../base/errors.ts';
import type { Problem } from '../domain/problem.ts';
import type { Overlaid } from './environment.ts';
import { isMap, wrong, type Field, type Finding } from './field.ts';
import { isMistake, pathText, problemsOf } from './problems.ts';
import { readYaml } from './yaml-document.ts';

export interface Decoded<T> {
  readonly read: T | typeof wrong;
  readonly findings: readonly Finding[];
  /** The mistakes among the findings, each with its line or the variable that it came from. */
  readonly problems: readonly Problem[];
  /** What was put right while reading, in words. */
  readonly notes: readonly string[];
}

/** A configuration that could be read as YAML. */
export interface ConfigDocument {
  readonly decode: <T>(declaration: Field<T>) => Decoded<T>;
}

interface Refused {
  readonly problems: readonly Problem[];
}

/** The text of a configuration file. */
export async function readSource(path: string): Promise<string | Refused> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    return refused('config_file', `the file cannot be read: ${describeError(error)}`);
  }
}

/** Reads YAML and lays over it what else counts (the environment, the command line). */
export function readDocument(
  source: string,
  overlay: (file: Readonly<Record<string, unknown>>) => Overlaid,
): ConfigDocument | Refused {
  const document = readYaml(source);
  if ('problems' in document) return document;
  const file = document.value ?? {};
  if (!isMap(file)) return refused('config_type', 'the file does not hold settings (name: value)');
  const { value, sources } = overlay(file);

  const place = (path: readonly string[]): string => {
    const line = document.lineOf(path);
    const origin = sources.get(path.join('.')) ?? (line === null ? null : `line ${line}`);
    return origin === null ? pathText(path) : `${pathText(path)} (${origin})`;
  };
  return {
    decode: (declaration) => {
      const findings: Finding[] = [];
      const read = declaration(value, { path: [], secret: false, report: (finding) => findings.push(finding) });
      const told = (some: readonly Finding[]): readonly Problem[] => problemsOf(some, { place, fix: () => null });
      const adjusted = findings.filter(({ kind }) => kind === 'adjusted');
      return {
        read,
        findings,
        problems: told(findings.filter(isMistake)),
        notes: told(adjusted).map(({ what }) => what),
      };
    },
  };
}

function refused(code: string, what: string): Refused {
  return { problems: [{ code, severity: 'error', what, fix: null }] };
}
