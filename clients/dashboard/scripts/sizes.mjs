/**
 * Reads the build and fails above the figures of the specification: the shell (what the page loads before any screen), and
 * what each screen loads more. Gzip, as it travels; fonts and pictures are not counted.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const KIB = 1024;
const SHELL = 150 * KIB;
const SCREEN = 40 * KIB;
const OTHER_SCREENS = { "src/features/dashboard/ui/dashboard-screen.tsx": 50 * KIB };

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.argv[2] ?? join(root, "dist");
const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));
const weights = new Map();

function weight(file) {
  if (!weights.has(file)) weights.set(file, gzipSync(readFileSync(join(dist, file)), { level: 9 }).length);
  return weights.get(file);
}

/** The files that come with a chunk: itself, what it imports at once, and their styles. */
function filesOf(name, seen = new Set()) {
  const chunk = manifest[name];
  if (chunk === undefined || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const css of chunk.css ?? []) seen.add(css);
  for (const other of chunk.imports ?? []) filesOf(other, seen);
  return seen;
}

const total = (files) => [...files].reduce((sum, file) => sum + weight(file), 0);
const shell = filesOf("index.html");
let isTooMuch = false;
function report(name, size, limit) {
  const mark = size > limit ? "  ABOVE" : "";
  isTooMuch ||= size > limit;
  console.log(`${(size / KIB).toFixed(1).padStart(7)} KiB of ${String(limit / KIB).padStart(3)}  ${name}${mark}`);
}

report("shell", total(shell), SHELL);
for (const [name, chunk] of Object.entries(manifest).sort()) {
  if (!chunk.isDynamicEntry || !/-screen\.tsx$/.test(name)) continue;
  const more = [...filesOf(name)].filter((file) => !shell.has(file));
  report(name, total(more), OTHER_SCREENS[name] ?? SCREEN);
}
const fonts = readdirSync(join(dist, "assets")).filter((file) => file.endsWith(".woff2"));
console.log(`        and ${String(fonts.length)} font`);
process.exit(isTooMuch ? 1 : 0);
