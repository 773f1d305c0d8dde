import t from 'tap';
import { addClient, revokeClient } from '../../../src/identity/departments-and-clients.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { createJudge, type Document } from '../../helpers/openapi-document.ts';
import { tokenFrom } from '../../helpers/clients.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor } from '../../helpers/keys.ts';

const test = await startGateway(t);
const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());

await t.test('tells a client whom its token stands for, until it is revoked', async (t) => {
  const client = await addClient(test.database, actor, {
    department: 'civil-affairs',
    roles: ['exchange', 'provide'],
  });
  await test.gateway.exchanges.authority.refresh();
  const headers = { authorization: `Bearer ${await tokenFrom(test.app, client)}` };
  const answer = await test.app.inject({ url: '/v1/me', headers });
  judge.checkAnswer(t, 'getMe', answer);
  t.match(answer.json(), {
    client_id: client.clientId,
    department: { code: 'civil-affairs', title: { zh: '民政厅', en: 'Civil Affairs' } },
    roles: ['exchange', 'provide'],
    scopes: ['exchange', 'provide'],
    expires_at: /Z$/,
  });
  t.match(answer.headers, { 'cache-control': 'no-store', 'exchange-id': /-/ });
  await revokeClient(test.database, actor, client.clientId);
  await test.gateway.exchanges.authority.refresh();
  const after = await test.app.inject({ url: '/v1/me', headers });
  checkProblem(t, after, { status: 401, code: 'token-invalid' });
});
