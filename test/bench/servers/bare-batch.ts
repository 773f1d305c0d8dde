/**
 * The least that reads many records: pg, connections that each ask for a thousand random ids, and take the rows.
 * It is its own load: a `LoadSpec`, of which it needs little, on standard input, a `LoadResult` on standard output.
 */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { percentiles, xorshift, type LoadResult, type LoadSpec } from '../load.ts';

const statement = {
  name: 'bare-batch',
  text: 'select id, name, birth_date, mobile_phone from v2.citizens where id = any($1::text[])',
};

const spec = JSON.parse(await text(process.stdin)) as LoadSpec;
const ids = readFileSync(spec.idsFile, 'latin1').trimEnd().split('\n');
const random = xorshift(spec.seed);
const startMs = performance.now() + spec.warmupMs;
const endMs = startMs + spec.measureMs;
const latencies: number[] = [];

async function ask(client: pg.Client): Promise<void> {
  for (let nowMs = performance.now(); nowMs < endMs;) {
    const sinceMs = nowMs;
    const asked = Array.from({ length: spec.ids!.count }, () => ids[random(ids.length)]!);
    const { rows } = await client.query({ ...statement, values: [asked] });
    if (rows.length < new Set(asked).size) throw new Error(`${rows.length} records of ${asked.length} ids`);
    nowMs = performance.now();
    if (sinceMs >= startMs && nowMs < endMs) latencies.push(nowMs - sinceMs);
  }
}

const clients = Array.from(
  { length: spec.connections },
  () => new pg.Client({ connectionString: process.env.DATABASE_URL }),
);
for (const client of clients) await client.connect();
await Promise.all(clients.map(ask));
for (const client of clients) await client.end();
console.log(
  JSON.stringify({
    answers: latencies.length,
    answersPerSecond: latencies.length / (spec.measureMs / 1000),
    statuses: {},
    failures: 0,
    firstFailure: null,
    latencyMs: percentiles(latencies),
    cpuMicros: 0,
  } satisfies LoadResult),
);
