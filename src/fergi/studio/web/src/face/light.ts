const SIDE = 24;

/** Makes what measures the mean luminance of a part of a picture, 0 to 1. */
export function lightMeter(): (picture: ImageBitmap, box: readonly [number, number, number, number]) => number {
  const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  return (picture, [x, y, width, height]) => {
    if (!context) return NaN;
    context.drawImage(picture, x, y, width, height, 0, 0, SIDE, SIDE);
    return meanLuminance(context.getImageData(0, 0, SIDE, SIDE).data);
  };
}

function meanLuminance(pixels: Uint8ClampedArray): number {
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4)
    // ITU-R BT.601, as in `fergi.stages.perception.equalisation`.
    sum += 0.299 * (pixels[at] ?? 0) + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
  return sum / (pixels.length / 4) / 255;
}
