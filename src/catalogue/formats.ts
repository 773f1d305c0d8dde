/** A format that a schema may name: what it accepts, and how strict a load is about it. */
export interface IdFormat {
  /** True when the value has the format's shape, whatever its check digit. */
  shape: RegExp;
  /** True when the value's check digit (and what else the standard computes) is right. */
  check: (value: string) => boolean;
  /** How many characters at its end are computed from those before them. */
  checkCharacters: number;
  /** A wrong check digit makes a load warn instead of reject: codes issued before the rule exist. */
  checkWarnsOnLoad: boolean;
}

const residentIdWeights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const usccAlphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';
/** 3^i mod 31 for i = 0 to 16 (GB 32100, 4.2). */
const usccWeights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/** The check character of a resident identity number's first 17 digits (GB 11643, ISO 7064 MOD 11-2). */
export function residentIdCheck(first17: string): string {
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += numberAt(first17, i, 1) * residentIdWeights[i]!;
  return '10X98765432'[sum % 11]!;
}

/** The check character of a unified social credit code's first 17 characters (GB 32100). */
export function usccCheck(first17: string): string {
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += usccAlphabet.indexOf(first17[i]!) * usccWeights[i]!;
  return usccAlphabet[(31 - (sum % 31)) % 31]!;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** True for a day that the calendar has, written YYYY-MM-DD. */
export function isCalendarDate(value: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  return isDay(numberAt(value, 0, 4), numberAt(value, 5, 2), numberAt(value, 8, 2));
}

function isDay(year: number, month: number, day: number): boolean {
  const leapDay = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  return year >= 1 && day >= 1 && day <= (monthDays[month - 1] ?? 0) + leapDay;
}

/** The number that digits within a text make. A batch has a thousand of them, so that no text is cut for it. */
function numberAt(text: string, start: number, length: number): number {
  let number = 0;
  for (let i = start; i < start + length; i++) number = number * 10 + text.charCodeAt(i) - zero;
  return number;
}

const zero = '0'.charCodeAt(0);

function hasBirthDate(residentId: string): boolean {
  return isDay(numberAt(residentId, 6, 4), numberAt(residentId, 10, 2), numberAt(residentId, 12, 2));
}

/** The formats of subject ids, by the name that schemas give them. */
export const idFormats: Record<string, IdFormat> = {
  'resident-id': {
    shape: /^[0-9]{17}[0-9X]$/,
    check: (value) => hasBirthDate(value) && residentIdCheck(value) === value[17],
    checkCharacters: 1,
    checkWarnsOnLoad: false,
  },
  uscc: {
    shape: /^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$/,
    check: (value) => usccCheck(value) === value[17],
    // The organisation code within it ends with a check character of its own (GB 11714).
    checkCharacters: 2,
    checkWarnsOnLoad: true,
  },
};

/** Codes given before there was a check digit are taken: their form is right and only the digit is not. */
export function isTolerated(format: string | undefined, value: string): boolean {
  const known = idFormats[format ?? ''];
  return known?.checkWarnsOnLoad === true && known.shape.test(value);
}

const idLength = 18;

/** Whether a text holds what may be a subject's id: characters in a row that have the shape and the check of a format. */
export function mayHoldId(text: string): boolean {
  const upper = text.toUpperCase();
  for (let at = 0; at + idLength <= upper.length; at++) {
    const window = upper.slice(at, at + idLength);
    if (Object.values(idFormats).some(({ shape, check }) => shape.test(window) && check(window))) return true;
  }
  return false;
}
