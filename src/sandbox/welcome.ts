import { fileURLToPath } from 'node:url';
import type { Config } from '../base/config.ts';
import { personas } from './personas.ts';

const program = fileURLToPath(new URL('../onevisit.js', import.meta.url));

/** What a newcomer reads after the start: where everything is, and a command line that works as pasted. */
export function welcome(config: Config, baseUrl: string): string {
  return `
OneVisit is ready: a sandbox with made-up people on an embedded PostgreSQL.

  Base URL  ${baseUrl}
  Docs      ${baseUrl}/docs
  Secrets   ${config.home}/sandbox.json (clients and personas)

Ask for a record as the department of civil affairs, from a second shell:

${exampleCommand(config, baseUrl)}

Ctrl-C stops it; the data stay.
`;
}

/** One line for a POSIX shell, from whatever folder. */
function exampleCommand(config: Config, baseUrl: string): string {
  const { dataset, id } = personas[0]!;
  const body = JSON.stringify({ id, fields: ['name', 'birth_date', 'marital_status', 'mobile_phone'] });
  const command = `${quotePath(process.execPath)} ${quotePath(program)} token civil-affairs`;
  const token = `$(ONEVISIT_HOME=${quotePath(config.home)} ${command})`;
  return [
    `curl -i ${baseUrl}/v2/${dataset}/read`,
    `-H "Authorization: Bearer ${token}"`,
    `-H 'Exchange-Purpose: marriage-registration'`,
    `-H 'Content-Type: application/json'`,
    `-d '${body}'`,
  ].join(' ');
}

function quotePath(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
