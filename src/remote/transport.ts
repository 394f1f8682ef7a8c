/**
 * What a connection is to the protocol: bytes, both ways, in order, until one side has had enough. A UNIX or TCP socket, TLS,
 * a WebSocket, the standard input and output of a process, a channel of another connection: all alike (src/host/transport.ts).
 */
export interface Transport {
  /** Sends, or queues to send. Whatever happens after the end is without effect. */
  send(bytes: Uint8Array): void;
  /** Bytes that are queued because the other side does not take them. */
  readonly backlog: number;
  /** Who listens: set once, before anything is sent. What has come before is kept until then. */
  receive(listener: TransportListener): void;
  /** Ends both directions after what was sent. */
  close(): void;
}

export interface TransportListener {
  data(bytes: Uint8Array): void;
  /** The end, from either side; called once. `error` says what went wrong, if something did. */
  closed(error?: string): void;
  /** The backlog has gone. */
  drained?(): void;
}

/** Makes a connection, as often as one is needed; rejects with an Error whose message says why not. */
export type Dial = () => Promise<Transport>;
