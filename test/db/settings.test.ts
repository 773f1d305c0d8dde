import t from 'tap';
import { openDatabase } from '../../src/db/database.ts';
import { rememberSettings } from '../../src/db/settings.ts';
import { UserError } from '../../src/base/errors.ts';
import { createDatabase } from '../helpers/database.ts';

await t.test('remembers settings from the first start on, as the gateway itself', async (t) => {
  const test = await createDatabase(t);
  const { database, close } = openDatabase(test.gatewayUrl, 'test');
  t.teardown(close);
  const settings = { ISSUER: 'https://a', LOG_ORIGIN: 'a/audit' };
  await rememberSettings(database, settings);
  await rememberSettings(database, settings);
  await rememberSettings(database, { ...settings, TOKEN_KEY_FILE: 'k1' });
  await t.rejects(
    rememberSettings(database, { ISSUER: 'https://b', LOG_ORIGIN: 'a/audit', TOKEN_KEY_FILE: 'k2' }),
    {
      name: UserError.name,
      message:
        /ISSUER: this database is used with https:\/\/a, not with https:\/\/b\n.*TOKEN_KEY_FILE: .*k1, not with k2/,
    },
  );
  await rememberSettings(database, settings);
});

await t.test('remembers nothing of a start that is refused', async (t) => {
  const { database } = await createDatabase(t);
  await rememberSettings(database, { ISSUER: 'https://a' });
  await t.rejects(rememberSettings(database, { ISSUER: 'https://b', LOG_KEY_FILE: 'of b' }), UserError);
  await rememberSettings(database, { ISSUER: 'https://a', LOG_KEY_FILE: 'of a' });
  t.pass();
});

await t.test('lets one of two first starts with different settings go on', async (t) => {
  const { database } = await createDatabase(t);
  const results = await Promise.allSettled(
    ['https://a', 'https://b'].map((ISSUER) => rememberSettings(database, { ISSUER })),
  );
  t.strictSame(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});
