import type { Command } from './command.ts';
import { archiveCommand } from './audit-archive.ts';
import { openCommand } from './audit-open.ts';
import { ownVerifierKey } from './own-key.ts';
import { exportCommand } from './audit-export.ts';
import { reopenCommand } from './audit-reopen.ts';
import { rotateCommand } from './audit-rotate.ts';
import { verifyCommand } from './audit-verify.ts';

export const commands: Command[] = [
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
  exportCommand,
  archiveCommand,
  rotateCommand,
  reopenCommand,
];
