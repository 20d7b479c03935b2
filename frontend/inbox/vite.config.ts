/** Builds the operators' inbox into the package's static files, under /inbox/; run in `frontend`. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  root: "inbox",
  base: "/inbox/",
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
  build: {
    outDir: "../../src/knopka/web/static/inbox",
    emptyOutDir: true,
    // A data: address would need a wider content security policy than 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome111", "firefox114", "safari16.4"],
  },
});
