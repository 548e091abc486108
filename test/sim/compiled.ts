import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '../..');

/** Plain JavaScript, as Node runs it by itself: loaders that translate while they load make code that runs slower. */
const options: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2022,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};

export interface Program {
  readonly entry: string;
  readonly remove: () => Promise<void>;
}

/** What a file is to say instead of what it says. `file`: its path from the repository's root, with slashes. */
export type Edit = (file: string, text: string) => string;

/** Translates `entry`, a file of this repository, and all that it imports into a folder of their own. Types are not checked. */
export async function compiled(entry: string, edit: Edit = (_file, text) => text): Promise<Program> {
  // Below node_modules, so that packages are found from there.
  const cache = path.join(root, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(path.join(cache, 'simulator-'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  const known = new Set<string>();
  const translate = async (file: string): Promise<void> => {
    if (known.has(file)) return;
    known.add(file);
    const text = edit(path.relative(root, file).split(path.sep).join('/'), await readFile(file, 'utf8'));
    const to = targetOf(folder, file);
    await mkdir(path.dirname(to), { recursive: true });
    await writeFile(to, ts.transpileModule(text, { compilerOptions: options, fileName: file }).outputText);
    for (const { fileName } of ts.preProcessFile(text).importedFiles) {
      if (fileName.startsWith('.')) await translate(path.resolve(path.dirname(file), fileName));
    }
  };
  await translate(entry);
  return { entry: targetOf(folder, entry), remove: () => rm(folder, { recursive: true }) };
}

function targetOf(folder: string, file: string): string {
  return path.join(folder, path.relative(root, file)).replace(/\.ts$/, '.js');
}
