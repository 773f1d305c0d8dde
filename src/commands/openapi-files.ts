import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildApp } from '../gateway/app.ts';
import { loadCatalogue } from '../catalogue/catalogue.ts';
import { listGenerations } from '../gateway/documents.ts';
import { readConfig } from '../base/config.ts';
import { assembleGateway } from '../gateway/gateway.ts';

const folder = fileURLToPath(new URL('../../openapi', import.meta.url));

/** Writes every generation's document; returns the files' names. */
export async function writeDocuments(): Promise<string[]> {
  const documents = await makeDocuments();
  await mkdir(folder, { recursive: true });
  for (const [name, content] of documents) await writeFile(join(folder, name), content);
  return [...documents.keys()].map((name) => `openapi/${name}`);
}

/** The documents that are missing, differ from what the app says, or belong to no generation. */
export async function listStaleDocuments(): Promise<string[]> {
  const documents = await makeDocuments();
  const present = await readdir(folder).catch(() => []);
  const stale = present.filter((name) => !documents.has(name));
  for (const [name, content] of documents)
    if ((await readFile(join(folder, name), 'utf8').catch(() => '')) !== content) stale.push(name);
  return stale.map((name) => `openapi/${name}`);
}

/** Asks the app itself, built without a database: none of what is asked here reaches one. */
async function makeDocuments(): Promise<Map<string, string>> {
  const config = readConfig('home', { LOG_LEVEL: 'silent' });
  const catalogue = loadCatalogue();
  const nobody = {
    version: 0,
    clients: new Map(),
    purposes: new Map(),
    identityProviders: new Map(),
    grantsOf: () => [],
  };
  const settled = (): Promise<void> => Promise.resolve();
  const gateway = assembleGateway(
    {
      config,
      catalogue,
      issuer: 'https://gateway.example',
      databaseUrl: 'postgresql://127.0.0.1/none',
      keys: {
        token: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
        log: generateKeyPairSync('ed25519').privateKey,
        auditPublic: generateKeyPairSync('x25519').publicKey,
        logSecret: randomBytes(32),
      },
    },
    { current: () => nobody, refresh: settled, refreshIfChanged: settled, close: settled },
  );
  const app = await buildApp(gateway);
  const documents = new Map<string, string>();
  for (const generation of listGenerations(catalogue.datasets)) {
    const { body } = await app.inject({ url: `/openapi/v${generation}.json` });
    documents.set(`v${generation}.json`, `${JSON.stringify(JSON.parse(body), null, 2)}\n`);
  }
  await app.close();
  await gateway.close();
  return documents;
}
