import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { VitePWA } from "vite-plugin-pwa";
import { defineConfig } from "vitest/config";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };
const gateway = process.env["PULSE_GATEWAY"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  define: { __VERSION__: JSON.stringify(version) },
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  plugins: [
    react(),
    tailwindcss(),
    VitePWA({
      registerType: "prompt",
      injectRegister: false,
      includeAssets: ["icon.svg"],
      manifest: {
        id: "/",
        name: "PrecisionPulse",
        short_name: "PrecisionPulse",
        description: "Every reading, live, and never lost",
        start_url: "/",
        display: "standalone",
        background_color: "#10151b",
        theme_color: "#10151b",
        icons: [
          { src: "/icon.svg", sizes: "any", type: "image/svg+xml", purpose: "any" },
          { src: "/icon-512.png", sizes: "512x512", type: "image/png", purpose: "any maskable" },
          { src: "/icon-192.png", sizes: "192x192", type: "image/png", purpose: "any" },
        ],
      },
      workbox: {
        globPatterns: ["**/*.{js,css,html,svg,woff2}"],
        navigateFallback: "/index.html",
        // The API and the socket are never answered from a cache.
        navigateFallbackDenylist: [/^\/api\//, /^\/ws\//, /^\/health/, /^\/readyz/, /^\/metrics/],
        cleanupOutdatedCaches: true,
      },
    }),
  ],
  build: { target: "es2023", manifest: true, sourcemap: false, chunkSizeWarningLimit: 400 },
  server: {
    proxy: {
      "/api": { target: gateway },
      "/ws": { target: gateway, ws: true },
    },
  },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}", "tests/unit/**/*.test.{ts,tsx}"] },
});
