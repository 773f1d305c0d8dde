#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=20 --no-separate-gc-phases --v8-pool-size=2
// JavaScript, and no more than this, so that all of the program comes from the compile cache: the compiler that takes
// the types off TypeScript costs a gateway 20 MB as long as it runs.
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./cli.ts');
