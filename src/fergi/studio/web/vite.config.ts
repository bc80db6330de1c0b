import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const here = import.meta.dirname;
const runtime = resolve(here, "node_modules/@mediapipe/tasks-vision/wasm");
const { version } = JSON.parse(readFileSync(resolve(runtime, "../package.json"), "utf-8")) as { version: string };

/** With its version in the name, since browsers keep what lies under assets for a year. */
const runtimePath = `assets/wasm-${version}/`;

/**
 * Serves the WebAssembly of the face networks from here, so that no page needs another machine.
 * That for browsers without SIMD is left out: all have it since 2023, and it would double a wheel.
 */
function localRuntime(): Plugin {
  return {
    name: "local-runtime",
    generateBundle() {
      for (const file of readdirSync(runtime).filter((name) => !name.includes("nosimd"))) {
        const source = readFileSync(resolve(runtime, file));
        this.emitFile({ type: "asset", fileName: runtimePath + file, source });
      }
    },
  };
}

export default defineConfig({
  plugins: [localRuntime()],
  define: { FACE_RUNTIME: JSON.stringify(`/${runtimePath}`) },
  build: {
    outDir: resolve(here, "../pages"),
    emptyOutDir: true,
    target: "es2022",
    // Nothing inline: the pages are served with a policy that allows none of it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["try", "join", "admin"].map((page) => resolve(here, `${page}.html`)) },
  },
  // The face networks load their WebAssembly by importScripts, which only classic workers have.
  worker: { format: "iife" },
});
