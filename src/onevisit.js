#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=8 --heap-growing-percent=30 --no-parallel-scavenge --no-allocation-site-pretenuring --no-separate-gc-phases --v8-pool-size=2
// JavaScript, because it runs before anything is there to take the types off TypeScript.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 2)) {
  console.error(
    `onevisit needs Node 24.2 or later, and this is ${process.version}: npm ci brings it, and npx onevisit runs it`,
  );
  process.exit(1);
}
await import('./without-types.js');
await import('./cli.ts');
