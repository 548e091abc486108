import { readFile } from 'node:fs/promises';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { describeError } from '../../base/errors.ts';
import type { RestTls } from '../../config/sections/restapi.ts';
import { redact } from '../redact.ts';

/** A certificate, a key or its password is not what it should be. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/**
 * Reads the files that `restapi` names and tries them. `optional`: whoever shows a certificate that `cafile` does not
 * vouch for is taken for somebody without one. Throws CertificateError.
 */
export async function loadTls(tls: RestTls): Promise<TlsOptions> {
  const read = async (setting: string, path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw new CertificateError(`restapi.${setting} cannot be read: ${describeError(error)}`, { cause: error });
    }
  };
  const options: TlsOptions = {
    cert: await read('certfile', tls.certFile),
    // Patroni takes one file that has both.
    key: await read('keyfile', tls.keyFile ?? tls.certFile),
    ...(tls.keyPassword === null ? {} : { passphrase: tls.keyPassword }),
    ...(tls.caFile === null ? {} : { ca: await read('cafile', tls.caFile) }),
    ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
    requestCert: tls.verifyClient !== 'none',
    rejectUnauthorized: tls.verifyClient === 'required',
  };
  try {
    createSecureContext(options);
  } catch (error) {
    const why = redact(describeError(error));
    throw new CertificateError(`restapi.certfile, keyfile or keyfile_password do not fit: ${why}`, { cause: error });
  }
  return options;
}
