import { readFileSync } from 'node:fs';
import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { table, type Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { listProviders, removeProvider, setProvider } from '../identity/identity-providers.ts';

/** The commands by which identity providers are registered: whose login assertions disclosures take. */
export const commands: Command[] = [
  {
    name: 'idp add',
    args: '<issuer>',
    summary: 'register an identity provider, or give it other keys',
    needs: 'administer',
    options: [
      {
        flags: '--jwks <file>',
        description: 'its public keys, a JSON Web Key Set: P-256, RSA or Ed25519',
        required: true,
      },
    ],
    run: ({ args, options, config }) =>
      administer(config, async (database) => {
        const issuer = args[0]!;
        const keySet = readKeySet(options.jwks as string);
        const { kids, entry } = await setProvider(database, commandLineActor(), { issuer, keySet });
        return {
          json: { issuer, kids, entry },
          text: `registered ${issuer} with the keys ${kids.join(', ')} (entry ${entry} of the audit log)`,
        };
      }),
  },
  {
    name: 'idp list',
    summary: 'list the identity providers',
    needs: 'administer',
    run: ({ config }) =>
      administer(config, async (database) => {
        const items = await listProviders(database);
        const rows = items.map(({ issuer, kids, added_at }) => [issuer, kids.join(','), added_at]);
        return { json: { items, next: null }, text: table(['ISSUER', 'KEYS', 'SINCE'], rows) };
      }),
  },
  {
    name: 'idp remove',
    args: '<issuer>',
    summary: 'take an identity provider out: its assertions are worth nothing from this moment',
    needs: 'administer',
    run: ({ args, config }) =>
      administer(config, async (database) => {
        const { entry } = await removeProvider(database, commandLineActor(), args[0]!);
        return {
          json: { issuer: args[0], entry },
          text: `removed ${args[0]} (entry ${entry} of the audit log)`,
        };
      }),
  },
];

function readKeySet(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`--jwks: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}
