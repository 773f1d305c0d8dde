import { readSandboxFile } from '../sandbox/file.ts';
import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { generateCsv } from '../sandbox/generate.ts';

export const sandboxCommands: Command[] = [
  {
    name: 'sandbox generate',
    summary: 'write a made-up province as CSV files',
    needs: 'home',
    options: [
      { flags: '--citizens <n>', description: 'how many citizens', default: '10000' },
      { flags: '--enterprises <n>', description: 'how many enterprises', default: '2000' },
      { flags: '--seed <n>', description: 'the same seed makes the same province', default: '1' },
      { flags: '--out <folder>', description: 'where the files go', default: '.' },
    ],
    run: async ({ options, progress }) => {
      const province = {
        citizens: wholeNumber('--citizens', options.citizens),
        enterprises: wholeNumber('--enterprises', options.enterprises),
        seed: wholeNumber('--seed', options.seed),
      };
      try {
        const { files } = await generateCsv(province, options.out as string, (done, total) =>
          progress(done, total, 'writing rows'),
        );
        return { json: { files }, text: files.map((file) => `${file.path}: ${file.rows} rows`).join('\n') };
      } catch (error) {
        if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined) throw error;
        throw new UserError(`cannot write to ${options.out as string} (${code})`, { cause: error });
      }
    },
  },
  {
    name: 'token',
    args: '<department>',
    summary: 'sandbox: print a fresh access token of a department',
    needs: 'home',
    run: async ({ args, config }) => {
      const department = args[0]!;
      const sandbox = readSandboxFile(config.home);
      const client = sandbox.clients.find((one) => one.department === department);
      if (client === undefined) {
        const known = sandbox.clients.map((one) => one.department).join(', ');
        throw new UserError(`the sandbox has no department "${department}"; it has ${known}`);
      }
      const credentials = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
      const response = await fetch(`${sandbox.base_url}/oauth/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${credentials}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials',
        signal: AbortSignal.timeout(10_000),
      }).catch((error: unknown) => {
        throw new UserError(`no gateway answers at ${sandbox.base_url}: start it with "npm start"`, {
          cause: error,
        });
      });
      if (!response.ok)
        throw new UserError(`the gateway at ${sandbox.base_url} refused the client (${response.status})`);
      const token = (await response.json()) as { access_token: string };
      return { json: token, text: token.access_token };
    },
  },
];

function wholeNumber(flag: string, value: unknown): number {
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value))
    throw new UserError(`${flag}: "${String(value)}" is not a whole number`);
  return Number(value);
}
