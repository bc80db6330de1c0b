const END_OF_DIRECTORY = 22;

/**
 * Takes one file out of `face_landmarker.task`, which is a zip that compresses nothing.
 *
 * @throws Error If the archive does not hold it.
 */
export function taskEntry(task: Uint8Array, wanted: string): Uint8Array {
  const view = new DataView(task.buffer, task.byteOffset, task.byteLength);
  const end = task.byteLength - END_OF_DIRECTORY;
  let at = view.getUint32(end + 16, true);
  while (at < end) {
    const size = view.getUint32(at + 24, true);
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(task.subarray(at + 46, at + 46 + nameLength));
    if (name === wanted) return stored(task, view, view.getUint32(at + 42, true), size);
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  throw new Error(`face_landmarker.task holds no ${wanted}; fetch it again with: fergi fetch`);
}

function stored(task: Uint8Array, view: DataView, header: number, size: number): Uint8Array {
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  return task.slice(start, start + size);
}
