export default {
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/nanoscope/dashboard/static", emptyOutDir: true, modulePreload: { polyfill: false },
    rollupOptions: { output: { entryFileNames: "page.js", assetFileNames: "page[extname]" } },
  },
};
