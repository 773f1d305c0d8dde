/** What a page says of one code in one language. Between backticks stands what is typed: a header, a field, a path. */
export interface Advice {
  /** What happened, and why. */
  cause: string;
  /** What an integrator does, one step each, the likeliest first. */
  fix: readonly string[];
  /** Whom to ask, and for what. */
  ask: string;
}

export interface Guide {
  zh: Advice;
  en: Advice;
}
