import type { Config, SettingsFor } from '../base/config.ts';

/** One command of `onevisit`. */
export interface Command {
  /** As typed: `grant add`. */
  name: string;
  /** Positional arguments, as in its help: `<dataset> <file>`. */
  args?: string;
  summary: string;
  options?: CommandOption[];
  /** What its settings are read for. */
  needs: SettingsFor;
  /** @throws UserError for whatever its user can act on */
  run(input: CommandInput): Promise<CommandResult | void>;
}

export interface CommandOption {
  /** As commander has it: `--until <date>`, `--fields <list>`, `--role <roles...>`. */
  flags: string;
  description: string;
  required?: boolean;
  default?: string;
}

export interface CommandInput {
  args: string[];
  options: Record<string, string | string[] | boolean | undefined>;
  config: Config;
  /** Shows how far long work is; quiet when nobody looks at a terminal. */
  progress: (done: number, total: number, what: string) => void;
}

/** What a command says at its end. */
export interface CommandResult {
  /** For `--json`: members named as in the API. */
  json: unknown;
  /** For a person. */
  text: string;
}

/** The values of an option that takes a list: separated by commas, or given repeatedly. */
export function listOption(value: string | string[] | boolean | undefined): string[] {
  if (value === undefined || typeof value === 'boolean') return [];
  return [value]
    .flat()
    .flatMap((part) => part.split(','))
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Rows under headings, columns aligned. */
export function table(headings: string[], rows: string[][]): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(headings), ...rows.map(line)].join('\n');
}
