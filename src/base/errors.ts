/** The message of anything that was thrown, with the messages of its causes, outermost first, on one line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth += 1) {
    const text =
      current instanceof Error ? messageOf(current) : typeof current === 'string' ? current : 'unknown error';
    if (text !== '' && parts.at(-1) !== text) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ').replaceAll(/\s*\n\s*/g, ' ');
}

/** Whether the system says this of what it was asked for: `ENOENT`, `EXDEV`, … */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function messageOf(error: Error): string {
  // A refused connection to a host with two addresses is an AggregateError without a message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describeError).join('; ');
  return error.message !== '' ? error.message : error.name;
}
