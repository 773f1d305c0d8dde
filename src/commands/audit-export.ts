import { withClient } from './administer.ts';
import type { Command } from './command.ts';
import { commandLineActor, enterLook } from '../audit/act.ts';
import { exportLog } from '../audit/export/log-folder.ts';

export const exportCommand: Command = {
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
};
