/** A string constant, whatever is in it, for statements that take no parameters. */
export function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  // Written so, a backslash means the same whatever `standard_conforming_strings` is.
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** A name as PostgreSQL and its replication commands take it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
