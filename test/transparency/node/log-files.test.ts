import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { gatewayFiles } from '../../../src/transparency/node/log-files.ts';
import { verifierKey } from '../../../src/transparency/node/sign.ts';
import { tilesSource } from '../../../src/transparency/tiles-source.ts';
import { verifyLog } from '../../../src/transparency/verify-log.ts';
import { runCommand } from '../../helpers/command.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';

const test = await startGateway(t);
const url = await test.app.listen({ port: 0 });
const persona = { id: '999901198804120024', fields: ['name'] };

await t.test('the whole log is verified at the address of a running gateway', async (t) => {
  for (let i = 0; i < 300; i++) await test.read('citizens', persona);
  const { headers } = await test.read('citizens', persona);
  const source = () => tilesSource(gatewayFiles(url, () => test.token('audit-office', ['audit'])));
  await until(
    'a checkpoint of it',
    async () => (await source().size(verifiers)) > Number(headers['exchange-entry']),
  );
  const verdict = await verifyLog(source(), { verifiers });
  t.match(verdict, { checkpoints: 1, uncovered: 0, findings: [] });
  t.ok(verdict.entries > 300);
});

await t.test('from the command line, and what is said of refusals', async (t) => {
  const home = t.testdir({
    auditor: `${await test.token('audit-office', ['audit'])}\n`,
    none: '',
    other: await test.token('civil-affairs'),
  });
  const verify = (token: string) =>
    runCommand(
      [
        'audit',
        'verify',
        '--url',
        `${url}/`,
        '--token-file',
        join(home, token),
        '--key',
        verifierKey(logOrigin, keys.log),
      ],
      { ONEVISIT_HOME: home },
    );
  const good = await verify('auditor');
  t.match(good.stdout, /^\d+ entries and 1 checkpoints are as they were written\n$/, good.stderr);
  t.match(
    (await verify('other')).stderr,
    /tile\/entries\/\S+: it answers 403; entries are shown to the audit office/,
  );
  t.match((await verify('none')).stderr, /--token-file: holds no access token/);
});

await t.test(
  'a gateway that is away for a moment is asked again, and a token that ended is replaced',
  async (t) => {
    const answers = [500, 429, 200, 401, 200, 401, 401];
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(answers.shift()!).end('x');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    let tokens = 0;
    const port = (server.address() as AddressInfo).port;
    const read = gatewayFiles(`http://127.0.0.1:${port}`, () => Promise.resolve(`token-${tokens++}`));
    t.same(await read('checkpoint'), Buffer.from('x'));
    t.same(await read('tile/entries/000'), Buffer.from('x'));
    t.strictSame(seen, [undefined, undefined, undefined, 'Bearer token-0', 'Bearer token-1']);
    await t.rejects(read('tile/entries/001'), {
      message: /answers 401; the token is not valid, or no longer/,
    });
    await new Promise((resolve) => server.close(resolve).closeAllConnections());
    const away = gatewayFiles(`http://127.0.0.1:${port}`, () => Promise.resolve(''));
    await t.rejects(away('checkpoint'), { message: /checkpoint: ECONNREFUSED/ });
  },
);

await t.test('the log is whole', (t) => checkAuditLog(t, test));
