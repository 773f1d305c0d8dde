/** For runs and rigs: a PostgreSQL of their own that has the program's tables and the sandbox's data. */
import { join } from 'node:path';
import { migrate } from '../../src/audit/migrate.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { openEmbedded, type EmbeddedServer } from '../../src/db/embedded.ts';
import { setGatewayPassword } from '../../src/db/migrate.ts';
import type { Province } from '../../src/sandbox/province.ts';
import { fillSandbox } from '../../src/sandbox/seed.ts';

/** Starts the server, whose data lie in `postgres` of the folder, and fills its database; stops it when that fails. */
export async function openFilledServer(
  folder: string,
  province: Province,
  settings: Record<string, string> = {},
): Promise<EmbeddedServer> {
  const server = await openEmbedded(join(folder, 'postgres'), settings);
  try {
    await migrate(server.adminUrl);
    await setGatewayPassword(server.adminUrl, server.gatewayPassword);
    await fillSandbox({
      home: folder,
      adminUrl: server.adminUrl,
      catalogue: loadCatalogue(),
      province,
      say: () => undefined,
    });
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}
