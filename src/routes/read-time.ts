import { isCalendarDate } from '../catalogue/formats.ts';
import { invalidBody } from '../http/validation.ts';

/** Reads a time of a request, where it has one. @throws ProblemError invalid-request when there is no such time */
export function readTime(pointer: string, value: string | undefined): Date | undefined {
  if (value === undefined) return undefined;
  const time = new Date(value);
  if (!Number.isNaN(time.getTime()) && isCalendarDate(value.slice(0, 10))) return time;
  throw invalidBody(pointer, { en: 'is not a time that exists', zh: '不是有效的时间' });
}
