/** Address of the folder with the WebAssembly of the face networks; set by `vite.config.ts`. */
declare const FACE_RUNTIME: string;
