/**
 * The text with everything escaped that moves a cursor, starts a new line or hides: names and values in Consul are
 * written by others, and end up on terminals and in log lines.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (char) => {
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}

/** The same in at most 60 characters before escaping. */
export function shorten(text: string): string {
  return printable(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
