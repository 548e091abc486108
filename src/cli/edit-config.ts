import { readFile } from 'node:fs/promises';
import type { AccessOptions } from '../config/cluster-access.ts';
import { decodeDynamicConfig } from '../config/dynamic.ts';
import { isMap } from '../config/field.ts';
import { patchConfig, setInConfig } from '../config/patch.ts';
import { readYaml } from '../config/yaml-document.ts';
import type { Problem } from '../domain/problem.ts';
import { readerOf, withCluster, type ClusterReading } from './cluster.ts';
import { confirmed } from './confirmation.ts';
import { diffLines } from './diff.ts';
import { editText } from './editor.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { ConfigurationError, mistakes, problemLines, UsageError } from './failure.ts';
import { configText } from './show-config.ts';
import { paint } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface EditOptions extends AccessOptions {
  /** `path=value`, the value in YAML; null takes a setting away. */
  readonly set: readonly string[];
  /** The same below `postgresql.parameters`. */
  readonly pg: readonly string[];
  /** A file (`-` = standard input) that is laid over the configuration; null = none. */
  readonly apply: string | null;
  /** A file that replaces the configuration. */
  readonly replace: string | null;
  /** Write without asking. */
  readonly force: boolean;
  readonly quiet: boolean;
}

type Config = Readonly<Record<string, unknown>>;

/**
 * `slotkeeper edit-config`: changes the cluster configuration. What would be wrong is refused with everything that is
 * wrong with it, and what somebody else changed meanwhile is not overwritten.
 */
export function editConfig(options: EditOptions, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, async (reading) => {
    const raw = reading.config?.value ?? null;
    const before = raw === null ? {} : parsedOrNull(raw);
    const isScripted = options.replace !== null || options.apply !== null || options.set.length + options.pg.length > 0;
    // A configuration that is not even JSON can be edited as a text, or replaced, but not changed in parts.
    if (before === null && isScripted && options.replace === null) {
      throw new ConfigurationError('the present configuration is not a JSON object; use --replace', []);
    }
    const shown = before === null ? (raw ?? '') : configText(before);
    const after = isScripted
      ? await scripted(before ?? {}, options, terminal)
      : fromYaml(await editText(shown, terminal.env), 'the edited text');
    const changed = JSON.stringify(after);
    if (raw !== null && before !== null && JSON.stringify(before) === changed) {
      if (!options.quiet) terminal.out('Not changed');
      return exitCodes.ok;
    }
    const problems = decodeDynamicConfig(changed, readerOf(reading.keys)).problems;
    if (!options.quiet) {
      for (const { mark, text } of diffLines(shown, configText(after))) {
        terminal.out(mark === ' ' ? `  ${text}` : paint(`${mark} ${text}`, mark === '+' ? 'green' : 'red', terminal));
      }
    }
    refuseMistakes(problems);
    for (const line of problemLines(problems)) terminal.err(line);
    if (!options.force && !(await confirmed(terminal, 'Apply these changes?'))) return exitCodes.failure;
    await writeConfig(reading, changed, terminal.stop);
    terminal.out('Configuration changed');
    return exitCodes.ok;
  });
}

/** Replace, then apply, then the single settings, each over the one before, as patronictl does. */
async function scripted(before: Config, options: EditOptions, terminal: Terminal): Promise<Config> {
  if (options.replace === '-' && options.apply === '-') throw new UsageError('standard input can be read only once');
  const fileOf = async (path: string): Promise<Config> =>
    fromYaml(
      path === '-' ? await terminal.readInput() : await readFile(path, 'utf8'),
      path === '-' ? 'the input' : path,
    );
  let config = options.replace === null ? before : patchConfig({}, await fileOf(options.replace));
  if (options.apply !== null) config = patchConfig(config, await fileOf(options.apply));
  for (const pair of [...options.set, ...options.pg.map((it) => `postgresql.parameters.${it.trimStart()}`)]) {
    const { path, value } = settingOf(pair);
    config = setInConfig(config, path, value);
  }
  return config;
}

function settingOf(pair: string): { readonly path: string; readonly value: unknown } {
  const equals = pair.indexOf('=');
  const path = pair.slice(0, Math.max(0, equals)).trim();
  if (path.split('.').some((key) => key === '')) throw new UsageError(`--set takes path=value, not "${pair}"`);
  const document = readYaml(pair.slice(equals + 1));
  if ('problems' in document) throw new UsageError(`the value for ${path} is not YAML`);
  return { path, value: document.value ?? null };
}

function fromYaml(source: string, what: string): Config {
  const document = readYaml(source);
  if ('problems' in document)
    throw new ConfigurationError(`${what} is not YAML; nothing was written`, document.problems);
  const value = document.value ?? {};
  if (!isMap(value)) throw new ConfigurationError(`${what} is not an object; nothing was written`, []);
  return value;
}

function parsedOrNull(raw: string): Config | null {
  try {
    const value: unknown = JSON.parse(raw);
    return isMap(value) ? value : null;
  } catch {
    return null;
  }
}

function refuseMistakes(problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  throw new ConfigurationError(`the new configuration has ${mistakes(errors)}; nothing was written`, errors);
}

/** Writes only what replaces the very value that was read; index 0 = the key must not exist yet. */
export async function writeConfig(
  { consul, names, config }: ClusterReading,
  value: string,
  signal: AbortSignal,
): Promise<void> {
  const index = config?.modifyIndex ?? 0;
  const result = await consul.transact([{ verb: 'cas', key: names.config, value, index }], signal);
  if (result.kind === 'refused') {
    throw new Error(
      `nothing was written, somebody else changed the configuration meanwhile (${result.why}): try again`,
    );
  }
}
