#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=30
// These flags bound the memory of a gateway (docs/performance.md): npm start and the image run this file for them.
// JavaScript that Node 20 reads, so that it can say which Node it needs.
import module from 'node:module';
import { join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 3)) {
  console.error(
    `onevisit needs Node 24.3 or later, and this is ${process.version}: npm ci brings it, and npx onevisit runs it`,
  );
  process.exit(1);
}
// Types are stripped once after each change. The cache is trusted as the program is, so only who may change the program
// may write there; where this process may not, it strips them at each start.
module.enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'onevisit'));
const { runCli } = await import('./cli.ts');
process.exitCode = await runCli(process.argv.slice(2), process);
