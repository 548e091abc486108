import { LineCounter, isScalar, parseDocument, visit, type Document, type Node } from 'yaml';
import type { Problem } from '../domain/problem.ts';

/** A YAML text as plain values, which still knows where each of them stood. */
export interface YamlDocument {
  readonly value: unknown;
  /** The line (from 1) of the value at `path`, or of the nearest thing around it; null = there is none. */
  readonly lineOf: (path: readonly string[]) => number | null;
}

/**
 * Reads one YAML document. Mistakes of the language are all listed, with line and column and without the text they
 * stand in. Numbers that are written in another way than they are counted (`0123`, `1e3`) stay texts, because a
 * password may look like that; so do `yes`, `off` and the like, which the fields read.
 */
export function readYaml(source: string): YamlDocument | { readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: true });
  if (document.errors.length > 0) {
    return { problems: document.errors.map((error) => mistake(error.message, lines.linePos(error.pos[0]))) };
  }
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'number' && node.source !== undefined && String(node.value) !== node.source) {
        node.value = node.source;
      }
    },
  });
  try {
    const value: unknown = document.toJS();
    return { value, lineOf: (path) => lineOf(document, lines, path) };
  } catch {
    // Aliases without an anchor, or so many of them that the document would grow without bounds.
    return { problems: [mistake('an alias (*name) cannot be resolved', null)] };
  }
}

function mistake(message: string, position: { readonly line: number; readonly col: number } | null): Problem {
  // What follows a colon in the parser's messages is a piece of the text, which may be a secret.
  const words = message.split(':')[0] ?? message;
  const place = position === null ? '' : `line ${position.line}, column ${position.col}: `;
  return { code: 'config_yaml', severity: 'error', what: `${place}${words}`, fix: null };
}

function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number | null {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length).map(indexOrName), true) as Node | undefined | null;
    // A section stands where its first entry does; an empty value has no place of its own.
    if (node?.range && !(isScalar(node) && node.value === null)) return lines.linePos(node.range[0]).line;
  }
  return null;
}

function indexOrName(part: string): string | number {
  return /^[0-9]{1,6}$/.test(part) ? Number(part) : part;
}
