import type { Text } from '../../base/error-table.ts';

/** What a page says of one code in one language. Between backticks stands what is typed: a header, a field, a path. */
export interface Advice {
  /** What happened, and why. */
  cause: string;
  /** What an integrator does, one step each, the likeliest first. */
  fix: readonly string[];
  /** Whom to ask, and for what. */
  ask: string;
}

export type Guide = Record<keyof Text, Advice>;

/** The headings of the parts, in files and on pages. */
export const headings = {
  en: { cause: 'Cause', fix: 'Fix', ask: 'Whom to ask' },
  zh: { cause: '原因', fix: '处理办法', ask: '咨询对象' },
} as const satisfies Record<keyof Text, Record<keyof Advice, string>>;

/**
 * Reads a guide in Markdown: the sections `# English` and `# 中文`, each with its three parts below `##`. Cause and whom
 * to ask are a paragraph of one line each, the fix is a numbered list with a line for each step.
 *
 * @throws Error saying what is not so
 */
export function parseGuide(markdown: string): Guide {
  const sections = splitAt('# ', markdown, ['English', '中文']);
  return { en: parseAdvice(sections[0]!, headings.en), zh: parseAdvice(sections[1]!, headings.zh) };
}

function parseAdvice(section: string, heading: Record<keyof Advice, string>): Advice {
  const [cause, fix, ask] = splitAt('## ', section, [heading.cause, heading.fix, heading.ask]);
  const steps = fix!.split('\n').map((line, i) => {
    const start = `${i + 1}. `;
    if (!line.startsWith(start)) throw new Error(`"${line}" does not begin with "${start}"`);
    return line.slice(start.length);
  });
  return { cause: oneLine(cause!, heading.cause), fix: steps, ask: oneLine(ask!, heading.ask) };
}

/** What stands below each of the headings, which are all there are, in this order. */
function splitAt(mark: string, text: string, expected: readonly string[]): string[] {
  const [before, ...parts] = `\n${text}`.split(`\n${mark}`);
  const found = parts.map((part) => part.split('\n', 1)[0]);
  if (before!.trim() !== '' || found.join('\n') !== expected.join('\n'))
    throw new Error(
      `the headings must be ${expected.map((one) => mark + one).join(', ')}, and nothing before`,
    );
  return parts.map((part, i) => {
    const below = part.slice(expected[i]!.length).trim();
    if (below === '') throw new Error(`there is nothing below ${mark}${expected[i]}`);
    return below;
  });
}

function oneLine(text: string, heading: string): string {
  if (text.includes('\n')) throw new Error(`there is more than one line below ## ${heading}`);
  return text;
}
