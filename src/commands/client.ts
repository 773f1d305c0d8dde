import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { listOption, table, type Command } from './command.ts';
import { addClient, listClients, revokeClient } from '../identity/departments-and-clients.ts';

export const commands: Command[] = [
  {
    name: 'client add',
    args: '<department>',
    summary: 'add a client of a department; its secret is shown this once',
    needs: 'administer',
    options: [
      {
        flags: '--role <role...>',
        description: 'exchange, provide, audit, disclose or admin; repeatable',
        required: true,
      },
    ],
    run: ({ args, options, config }) =>
      administer(config, async (database) => {
        const roles = listOption(options.role);
        const { clientId, clientSecret } = await addClient(database, commandLineActor(), {
          department: args[0]!,
          roles,
        });
        return {
          json: { client_id: clientId, client_secret: clientSecret, department: args[0], roles },
          text: `client_id     ${clientId}\nclient_secret ${clientSecret}\nKeep the secret now: it is not shown again.`,
        };
      }),
  },
  {
    name: 'client list',
    summary: 'list the clients',
    needs: 'administer',
    run: ({ config }) =>
      administer(config, async (database) => {
        const items = await listClients(database);
        const rows = items.map((item) => [
          item.client_id,
          item.department,
          item.roles.join(','),
          item.revoked_at === null ? 'live' : `revoked ${item.revoked_at}`,
        ]);
        return { json: { items, next: null }, text: table(['CLIENT', 'DEPARTMENT', 'ROLES', 'STATE'], rows) };
      }),
  },
  {
    name: 'client revoke',
    args: '<client_id>',
    summary: 'revoke a client: from this moment its tokens are worth nothing',
    needs: 'administer',
    run: ({ args, config }) =>
      administer(config, async (database) => {
        const { entry } = await revokeClient(database, commandLineActor(), args[0]!);
        return {
          json: { client_id: args[0], entry },
          text: `revoked ${args[0]} (entry ${entry} of the audit log)`,
        };
      }),
  },
];
