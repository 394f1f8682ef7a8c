/** Scatter and gather for files whose writes and reads must be one piece: pipes, sockets. */

export function totalLength(views: readonly Uint8Array[]): number {
  return views.reduce((sum, view) => sum + view.length, 0);
}

/** All bytes in one array; the view itself where there is only one. */
export function gather(views: readonly Uint8Array[]): Uint8Array {
  if (views.length === 1) return views[0];
  const bytes = new Uint8Array(totalLength(views));
  let at = 0;
  for (const view of views) {
    bytes.set(view, at);
    at += view.length;
  }
  return bytes;
}

export function scatter(bytes: Uint8Array, views: readonly Uint8Array[]): void {
  let at = 0;
  for (const view of views) {
    if (at >= bytes.length) return;
    view.set(bytes.subarray(at, at + view.length));
    at += view.length;
  }
}
