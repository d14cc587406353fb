// Unpacks the Chromium of @sparticuz/chromium, with the libraries that it needs, and writes a command that starts it.
// No rights are needed, and nothing of the machine but a C library. Run: node browser.js FOLDER
const { execFileSync } = require("node:child_process");
const { mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname, join, resolve } = require("node:path");
const { brotliDecompressSync } = require("node:zlib");

const folder = resolve(process.argv[2]);
const packed = resolve(dirname(require.resolve("@sparticuz/chromium")), "..", "..", "bin");
mkdirSync(folder, { recursive: true });
const unpack = (name) => brotliDecompressSync(readFileSync(join(packed, name)));
writeFileSync(join(folder, "chromium"), unpack("chromium.br"), { mode: 0o755 });
execFileSync("tar", ["xf", "-", "-C", folder], { input: unpack("al2023.tar.br") });
const command = join(folder, "browser");
writeFileSync(command, `#!/bin/sh\nLD_LIBRARY_PATH='${folder}/lib' exec '${folder}/chromium' "$@"\n`, { mode: 0o755 });
console.log(command);
