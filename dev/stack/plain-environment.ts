/** What of the environment a server of others may see: no `PG*` or `TEMPORAL_*` variable of the user's, messages in English. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, TZ } = process.env;
  const known = Object.entries({ PATH, HOME, TMPDIR, TZ }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), LC_ALL: 'C' };
}
