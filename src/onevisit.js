#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=8 --heap-growing-percent=20 --no-separate-gc-phases --v8-pool-size=2
// JavaScript, because it runs before anything is there to take the types off TypeScript.
import './without-types.js';

await import('./cli.ts');
