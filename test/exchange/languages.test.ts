import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const { id } = personaCitizens[0]!;
const test = await startGateway(t);

const cases: [header: string | null, language: 'zh' | 'en'][] = [
  [null, 'zh'],
  ['', 'zh'],
  ['zh', 'zh'],
  ['zh-CN', 'zh'],
  ['zh-Hans-CN,zh;q=0.9', 'zh'],
  ['en', 'en'],
  ['en-US', 'en'],
  ['EN', 'en'],
  ['en, zh', 'en'],
  ['zh, en', 'zh'],
  ['en;q=0.8, zh;q=0.9', 'zh'],
  ['en;q=0.9, zh;q=0.8', 'en'],
  ['fr, en;q=0.5', 'en'],
  ['fr', 'zh'],
  ['*', 'zh'],
  ['zh;q=0, *', 'en'],
  ['en;q=0', 'zh'],
  [';;;q=x', 'zh'],
];

for (const [header, language] of cases)
  await t.test(`answers "${header ?? 'no Accept-Language'}" in ${language}`, async (t) => {
    const headers: Record<string, string> = header === null ? {} : { 'accept-language': header };
    const answers = [
      await test.read('citizens', { id, fields: ['ethnicity'] }, { headers }),
      await test.read('citizens', { id: 'x' }, { headers }),
      await test.read('citizens', { id }, { headers, token: null }),
      await test.read('vehicles', { id }, { headers }),
    ];
    for (const response of answers) {
      const { title, detail, explain, errors } = response.json<{
        title: string;
        detail: string;
        explain?: { rule: string };
        errors?: { detail: string }[];
      }>();
      const texts = [title, detail, explain?.rule, errors?.[0]?.detail].filter((text) => text !== undefined);
      for (const text of texts) t.equal(/\p{Script=Han}/u.test(text), language === 'zh', text);
      t.equal(response.headers['content-language'], language);
      t.match(response.headers.vary, /\bAccept-Language\b/i);
    }
  });

await t.test('keeps code and type the same in both languages', async (t) => {
  const ask = async (language: string): Promise<unknown> => {
    const headers = { 'accept-language': language };
    const { code, type, status, explain } = (
      await test.read('citizens', { id, fields: ['ethnicity'] }, { headers })
    ).json<{ code: string; type: string; status: number; explain: { missing_fields: string[] } }>();
    return { code, type, status, missing: explain.missing_fields };
  };
  t.same(await ask('en'), await ask('zh'));
  await checkAuditLog(t, test);
});
