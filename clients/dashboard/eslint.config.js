import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Words in the markup are texts in one language: they belong into a `texts.ts`. Marks and keys are no words. */
const literalText = {
  selector: "JSXText[value=/[A-Za-zÄÖÜäöü]{2,}/]",
  message: "Put words into texts.ts, in every language, and use the translator.",
};
const literalAttribute = {
  selector:
    "JSXAttribute[name.name=/^(aria-label|aria-description|label|title|placeholder|alt|description)$/] > Literal[value=/[A-Za-z]{2,}/]",
  message: "Put words into texts.ts, in every language, and use the translator.",
};

export default tseslint.config(
  { ignores: ["dist", "node_modules", "**/generated", "public", "scripts", "tests/browser", "*.config.*"] },
  ...tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  hooks.configs.flat["recommended-latest"],
  a11y.flatConfigs.recommended,
  {
    files: ["src/**/*.{ts,tsx}"],
    rules: {
      "no-restricted-syntax": ["error", literalText, literalAttribute],
      // There is no compiler here that could be misled by the table library.
      "react-hooks/incompatible-library": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      // What scrolls must be reachable by the keyboard.
      "jsx-a11y/no-noninteractive-tabindex": ["error", { tags: [], roles: ["tabpanel", "region"] }],
    },
  },
  {
    // The direction: app → features → shared; live knows nobody.
    files: ["src/shared/**"],
    rules: { "no-restricted-imports": ["error", { patterns: [{ group: ["@/features/*", "@/app/*", "**/features/**", "**/app/**"], message: "shared knows no feature and no app." }] }] },
  },
  {
    files: ["src/shared/live/**"],
    rules: { "no-restricted-imports": ["error", { patterns: [{ group: ["@/*", "react", "react-dom", "../../../*", "../../../../*"], message: "The live package stands alone." }] }] },
  },
  {
    files: ["src/features/**"],
    rules: { "no-restricted-imports": ["error", { patterns: [{ group: ["@/app/*", "@/features/*", "../../../*"], message: "A feature knows shared and itself; app puts features together." }] }] },
  },
  {
    files: ["**/*.test.{ts,tsx}", "src/shared/live/tests/**"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off", "no-restricted-syntax": "off" },
  },
);
