import { describeError } from '../../base/errors.ts';
import type { ManagedWork } from './managed-work.ts';
import { inEnglish, programFile, runProgram } from './program.ts';

/**
 * Settings in a configuration file that this PostgreSQL refuses to start with, by name in lower case. `postgres -C` reads all of it and
 * starts nothing. Values are never part of the answer. Empty also when it does not say which they are: the start will.
 */
export async function refusedSettings(
  { settings, place, user }: ManagedWork,
  file: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const args = ['-D', place.directory.root, '-c', `config_file=${file}`, '-C', 'data_directory'];
  const program = { file: programFile(settings, 'postgres'), args, user, environment: inEnglish };
  try {
    await runProgram(program, settings.clock, signal);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    return namesIn(describeError(error));
  }
}

/** PostgreSQL's two sentences for a setting that there is none of, and for a value that it cannot have. */
function namesIn(said: string): readonly string[] {
  const found = said.matchAll(/parameter "([\w.]+)"/g);
  return [...new Set([...found].map(([, name = '']) => name.toLowerCase()))];
}
