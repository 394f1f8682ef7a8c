/** Mutual TLS: each side shows a certificate, and takes only what its own authority has signed. */
import { readFileSync } from 'node:fs';

/** PEM files. */
export interface TlsFiles {
  readonly certificate?: string;
  readonly key?: string;
  /** Whose signature the other side's certificate must have; absent: the system's authorities. */
  readonly authority?: string;
}

export function tlsOptions({ certificate, key, authority }: TlsFiles = {}) {
  return { cert: read(certificate), key: read(key), ca: read(authority), minVersion: 'TLSv1.2' as const };
}

function read(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file);
}
