/** Sessions and process groups (setsid(2), setpgid(2), credentials(7)). */
export interface Session {
  readonly id: number;
  /** The controlling terminal: whoever makes terminals puts it here (src/fs). */
  terminal: unknown;
}

export function makeSession(id: number): Session {
  return { id, terminal: null };
}
