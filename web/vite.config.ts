/// <reference types="vitest/config" />
// The page's build: everything in files of its own (no data: URLs, no inline script), so that the strict policy holds.
import react from "@vitejs/plugin-react";
import {defineConfig, type Plugin} from "vite";

const server = process.env.LOQUAT_SERVER ?? "http://127.0.0.1:8080";

// KaTeX offers each font in three formats; every browser that runs this page reads woff2.
const onlyWoff2: Plugin = {
  name: "only-woff2",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("katex.min.css")) return null;
    return code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, "");
  },
};

export default defineConfig({
  plugins: [onlyWoff2, react()],
  build: {
    outDir: process.env.LOQUAT_WEB_OUT ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: {polyfill: false},
    chunkSizeWarningLimit: 700,
    rollupOptions: {output: {assetFileNames: "assets/[name]-[hash][extname]"}},
  },
  server: {proxy: {"/api": server, "/v1": server, "/report.html": server}},
  test: {include: ["src/**/*.test.{ts,tsx}"], environment: "node"},
});
