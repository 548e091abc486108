const hidden = '***';

/**
 * What secrets look like in a line of a log, also inside JSON text (where a quote is `\"`): the user part of a URL, a
 * setting such as `password=…` of a connection string, a field `"token": "…"`, Consul's token header.
 */
const secrets: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // Up to the last `@`: a password may hold a slash or an `@` that should have been escaped.
  [/([a-z][a-z0-9+.-]*:\/\/)(?:\\.|[^\s"\\])*@/gi, `$1${hidden}@`],
  [/("(?:ssl)?(?:password|passwd|secret|token|secretid)"\s*:\s*")(?:\\.|[^"\\])*/gi, `$1${hidden}`],
  // The same in JSON that is itself a text in JSON.
  [/(\\"(?:ssl)?(?:password|passwd|secret|token|secretid)\\"\s*:\s*\\")(?:\\[^"]|[^"\\])*/gi, `$1${hidden}`],
  [/((?:password|passwd|secret|token)\s*=\s*)(?:'(?:\\+.|[^'"\\])*'?|(?:\\[^"nrt]|[^\s"&;,\\])+)/gi, `$1${hidden}`],
  [/(x-consul-token\s*:\s*)(?:\\[^"nrt]|[^\s"\\])+/gi, `$1${hidden}`],
  [/(\b(?:Basic|Bearer) )[a-z0-9+/_=-]{8,}/gi, `$1${hidden}`],
];

/** The text without anything that looks like a password or a token: the last line of defence, not the first. */
export function redact(text: string): string {
  return secrets.reduce((redacted, [pattern, replacement]) => redacted.replaceAll(pattern, replacement), text);
}
