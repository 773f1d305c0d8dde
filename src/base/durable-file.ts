import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a new file; once it resolves, the content survives a crash, and with `syncFolder` the name. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes durable which files a folder has. */
export async function syncFolder(folder: string): Promise<void> {
  await sync(folder);
}

/** Makes durable what a folder and those in it hold, whoever wrote it. */
export async function syncAll(folder: string): Promise<void> {
  for (const found of await readdir(folder, { recursive: true })) await sync(join(folder, found));
  await sync(folder);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
