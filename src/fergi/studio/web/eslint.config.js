import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import strict from "typescript-eslint";

export default strict.config(
  { ignores: ["node_modules/", "eslint.config.js"] },
  ...strict.configs.strictTypeChecked,
  ...strict.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: dirname(fileURLToPath(import.meta.url)) },
    },
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "max-lines-per-function": ["error", 60],
      complexity: ["error", 12],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
);
