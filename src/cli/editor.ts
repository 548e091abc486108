import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../config/environment.ts';

/**
 * Lets a person edit a text in the program that EDITOR (or VISUAL) names, `vi` otherwise; resolves to the text
 * afterwards. The file is the person's alone and is gone afterwards. Throws when the editor cannot be started or fails.
 */
export async function editText(text: string, env: Environment): Promise<string> {
  const editor = [env['EDITOR'], env['VISUAL']].find((it) => it !== undefined && it !== '') ?? 'vi';
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
  try {
    const file = join(folder, 'config.yaml');
    await writeFile(file, `${text}\n`, { mode: 0o600 });
    await run(editor, file);
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(editor: string, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // EDITOR may hold arguments (`code --wait`), so the shell splits it; the file name stays out of the shell's reach.
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    child.on('error', (cause) => reject(new Error('the editor could not be started', { cause })));
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the editor "${editor}" failed; set EDITOR, or use --set, --apply or --replace`));
    });
  });
}
