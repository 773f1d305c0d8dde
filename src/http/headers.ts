import type { IncomingHttpHeaders } from 'node:http';
import type { Text } from '../base/error-table.ts';

/** The limits of what a request may name in its headers, in characters. */
export const maxCaseLength = 128;
export const maxOfficialLength = 64;

/** Reads a percent-encoded header: its text, null when it is absent or blank, and what is wrong with it. */
export function readTextHeader(
  headers: IncomingHttpHeaders,
  name: string,
  maxLength: number,
): { text: string | null; fault: Text | null } {
  const value = headers[name];
  if (typeof value !== 'string' || value.trim() === '') return { text: null, fault: null };
  const text = decodeHeader(value.trim(), maxLength);
  if (text !== null) return { text: text.trim() === '' ? null : text, fault: null };
  const fault = {
    en: `the header ${name} must be percent-encoded UTF-8 of at most ${maxLength} characters`,
    zh: `请求头 ${name} 必须是百分号编码的 UTF-8，最多 ${maxLength} 个字符`,
  };
  return { text: null, fault };
}

/** Decodes a percent-encoded header; null when it is not clean text of so many characters. Attacker-controlled input. */
export function decodeHeader(value: string, maxLength: number): string | null {
  if (!/^[\x20-\x7e]*$/.test(value)) return null;
  try {
    const text = decodeURIComponent(value);
    return Array.from(text).length <= maxLength && isCleanText(text) ? text : null;
  } catch {
    return null;
  }
}

/** The trace id of a W3C traceparent; null when there is none, or a malformed one. Attacker-controlled input. */
export function readTraceId(traceparent: string | string[] | undefined): string | null {
  if (typeof traceparent !== 'string') return null;
  const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
  const [, version, traceId, more] = form.exec(traceparent) ?? [];
  return traceId === undefined || (version === '00' && more !== undefined) ? null : traceId;
}

/** PostgreSQL takes no U+0000 and UTF-8 no lone surrogates; other control characters have no place either. */
export function isCleanText(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text);
}
