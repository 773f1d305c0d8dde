/**
 * SQL: the index that the next entry gets, which is how many entries there were. Archived ones count; the newest never
 * is.
 */
export const nextIndex = 'coalesce((select index + 1 from audit.entry order by index desc limit 1), 0)';
