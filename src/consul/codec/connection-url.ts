/** The query settings of a connection URL that hold secrets. */
const secretSettings = /^(password|sslpassword|passfile)=/i;

/**
 * A PostgreSQL connection URL without user, password and secret settings, since member keys are shown in status pages
 * and logs and every agent has credentials of its own. Null when the text is not such a URL, or when what is secret in
 * it cannot be told from the rest.
 */
export function withoutCredentials(url: string): string | null {
  const match = /^(postgres(?:ql)?:\/\/)([^/?#]*)([^?#]*)(?:\?([^#]*))?$/.exec(url);
  if (match === null) return null;
  const [, scheme = '', authority = '', path = '', query = ''] = match;
  // A second `@` after the host means that a password holds a slash.
  if (path.includes('@') || /\s/.test(url)) return null;
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  const settings = query.split('&').filter((setting) => setting !== '' && !secretSettings.test(setting));
  return scheme + hosts + path + (settings.length === 0 ? '' : `?${settings.join('&')}`);
}

/**
 * The oldest form of a member key, older than JSON: a connection URL that carries the REST address as
 * `application_name`.
 */
export function splitLegacyUrl(url: string): { readonly connUrl: string | null; readonly apiUrl: string | null } {
  const [base = '', query = ''] = url.split('?', 2);
  return { connUrl: withoutCredentials(base), apiUrl: new URLSearchParams(query).get('application_name') };
}
