import { createPublicKey } from 'node:crypto';
import type { Command } from '../command.ts';
import { ConfigError } from '../config.ts';
import { UserError } from '../errors.ts';
import { readLogKey } from '../keys.ts';
import { verifierKey } from './note.ts';

export const auditCommands: Command[] = [
  {
    name: 'audit key',
    summary: "print the verifier key of the audit log's checkpoints",
    needs: 'home',
    run: ({ config }) => {
      const file = config.keyFiles.LOG_KEY_FILE;
      if (file === undefined) throw new UserError('LOG_KEY_FILE: required when DATABASE_URL is set');
      const { key, faults } = readLogKey(file);
      if (key === null) throw new ConfigError(faults);
      const line = verifierKey(config.logOrigin, createPublicKey(key));
      return Promise.resolve({ json: { verifier_key: line, origin: config.logOrigin }, text: line });
    },
  },
];
