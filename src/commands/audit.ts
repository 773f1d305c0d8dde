import { withClient } from './administer.ts';
import type { Command } from './command.ts';
import { archiveCommand } from './audit-archive.ts';
import { commandLineActor, enterLook } from '../audit/act.ts';
import { exportLog } from '../audit/export/log-folder.ts';
import { openCommand } from './audit-open.ts';
import { ownVerifierKey } from './own-key.ts';
import { successionCommands } from './audit-rotate-reopen.ts';
import { verifyCommand } from './audit-verify.ts';

export const auditCommands: Command[] = [
  {
    name: 'audit key',
    summary: "print the verifier key of the audit log's checkpoints",
    needs: 'home',
    run: ({ config }) => {
      const line = ownVerifierKey(config);
      return Promise.resolve({ json: { verifier_key: line, origin: config.logOrigin }, text: line });
    },
  },
  verifyCommand,
  openCommand,
  {
    name: 'audit export',
    summary: 'write the audit log to a folder, for verifying elsewhere; an earlier export is continued',
    needs: 'home',
    options: [{ flags: '--out <folder>', description: 'a new folder, or one of an export', required: true }],
    run: async ({ options, config, progress }) => {
      const folder = String(options.out);
      const { size, origin } = await withClient(config, (client) =>
        exportLog(
          client,
          folder,
          (done, total) => progress(done, total, 'exporting entries'),
          (records) => enterLook(client, commandLineActor(), { operation: 'log-export', records }),
        ),
      );
      return { json: { size, origin, folder }, text: `${size} entries of ${origin} are in ${folder}` };
    },
  },
  archiveCommand,
  ...successionCommands,
];
