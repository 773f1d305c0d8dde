import type { IncomingHttpHeaders } from 'node:http';
import { UserError } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import { isCleanText, readTextHeader } from '../http/headers.ts';
import { invalidBody } from '../http/validation.ts';
import { mayHoldId } from './formats.ts';

/**
 * What people say of themselves and their reasons: it goes on the record as it is, for ever. So it is text that others
 * can read, and never holds what may be a subject's id, which the log does not have in the clear.
 */

const holdsId: Text = {
  en: "must not hold anybody's id: it goes on the record as it is",
  zh: '不得含任何人或企业的标识号：其内容将原样记录在案',
};

/** Reads a percent-encoded header: its text, null when it is absent or blank, and what is wrong with it. */
export function readRecordedHeader(
  headers: IncomingHttpHeaders,
  name: string,
  maxLength: number,
): { text: string | null; fault: Text | null } {
  const read = readTextHeader(headers, name, maxLength);
  if (read.text === null || !mayHoldId(read.text)) return read;
  const fault = { en: `the header ${name} ${holdsId.en}`, zh: `请求头 ${name} ${holdsId.zh}` };
  return { text: null, fault };
}

/** Checks a text of a body. @throws ProblemError invalid-request */
export function checkRecordedText(pointer: string, text: string): void {
  if (mayHoldId(text)) throw invalidBody(pointer, holdsId);
  if (text.trim() === '' || !isCleanText(text))
    throw invalidBody(pointer, {
      en: 'must be text, without control characters',
      zh: '必须是文字，不得含控制字符',
    });
}

const maxReasonLength = 1000;

/** A reason that a command is given. @throws UserError unless it is a line of text */
export function reasonOption(value: string | string[] | boolean | undefined): string {
  const text = String(value).trim();
  if (mayHoldId(text)) throw new UserError(`--reason: ${holdsId.en}`);
  if (text !== '' && Array.from(text).length <= maxReasonLength && isCleanText(text)) return text;
  throw new UserError(
    `--reason: must be one line of 1 to ${maxReasonLength} characters, without control characters`,
  );
}
