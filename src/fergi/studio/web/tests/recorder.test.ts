import { describe, expect, it } from "vitest";
import { droppedFrames } from "../src/camera/recorder";

describe("dropped frames", () => {
  it("are none where frames come as promised, however they tremble", () => {
    expect(droppedFrames([0, 30, 70, 100, 133], 30)).toBe(0);
  });

  it("are those that a gap has room for", () => {
    expect(droppedFrames([0, 33, 133, 167], 30)).toBe(2);
  });
});
