import { readSandboxFile } from '../sandbox/file.ts';
import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';

export const commands: Command[] = [
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
