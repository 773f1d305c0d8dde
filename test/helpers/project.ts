/**
 * For tests of generated clients: an integrator's TypeScript project, its compiler, and programs that run to their end.
 */
import { execFile } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
const modules = join(root, 'node_modules');

/** `openapi-typescript`, beside the TypeScript 5 that it needs. */
export const generatorProgram = join(
  modules,
  'onevisit-client-generator/node_modules/openapi-typescript/bin/cli.js',
);

/** What a program came to. */
export interface ProgramEnd {
  code: number | string;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end, with these variables and no others beside PATH and HOME.
 */
export function runProgram(
  program: string,
  args: string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<ProgramEnd> {
  const { PATH = '', HOME = '' } = process.env;
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env: { PATH, HOME, ...env }, timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? 'killed'), stdout, stderr }),
    );
  });
}

/** Makes a folder that of a TypeScript project of an integrator's, which has `openapi-fetch` and is strict. */
export function prepareProject(folder: string): void {
  symlinkSync(modules, join(folder, 'node_modules'));
  const compilerOptions = {
    target: 'es2024',
    lib: ['es2024', 'dom'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  };
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
}

/** What the repository's compiler objects to in a project, a line each: `client.ts(7,3): error TS…`. */
export async function listTypeErrors(folder: string): Promise<string[]> {
  const tsc = join(modules, 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = await runProgram(process.execPath, [tsc, '--pretty', 'false'], { cwd: folder });
  if (stderr !== '') throw new Error(stderr);
  return stdout.split('\n').filter((line) => line !== '');
}
