/** A version on its way out: since when, until when, and what it tells those who still ask. */
export interface Retirement {
  /** From which day it is deprecated (YYYY-MM-DD, begins in UTC). */
  deprecated: string;
  /** From which day it is no longer served; null while that is open. */
  sunset: string | null;
  /** The path of the version that takes its place. */
  successor: string;
  /** Deprecation (RFC 9745), Sunset (RFC 8594) and Link, as every answer carries them. */
  headers: Readonly<Record<string, string>>;
}

/** What a file in `schemas/` says of its version's end. */
export interface DeclaredRetirement {
  deprecated: string | null;
  sunset: string | null;
}

/** The retirement of a version that is deprecated, or null. */
export function toRetirement(
  { deprecated, sunset }: DeclaredRetirement,
  successor: string,
): Retirement | null {
  if (deprecated === null) return null;
  return {
    deprecated,
    sunset,
    successor,
    headers: {
      deprecation: `@${startMs(deprecated) / 1000}`,
      ...(sunset !== null && { sunset: new Date(startMs(sunset)).toUTCString() }),
      link: `<${successor}>; rel="successor-version"`,
    },
  };
}

/** Whether the version is past its sunset, and no longer served. */
export function isRetired(retirement: Retirement | null, now: Date): boolean {
  const sunset = retirement?.sunset ?? null;
  return sunset !== null && now.getTime() >= startMs(sunset);
}

function startMs(date: string): number {
  return Date.parse(`${date}T00:00:00Z`);
}
