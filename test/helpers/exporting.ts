/** For tests of the export: how it is asked for, and its lines. */
import type { LightMyRequestResponse } from 'fastify';
import type { TestGateway } from './gateway.ts';

export interface ExportLine {
  export?: { format: string; filter: Record<string, unknown>; below: number; checkpoint: string };
  index?: number;
  leaf_hash?: string;
  proof?: string[];
  entry?: Record<string, unknown>;
  manifest?: Record<string, unknown> & { from: number; below: number; count: number; size: number };
  next?: string | null;
}

/** Asks for an export; `official` of null leaves the header out. */
export function askExport(
  test: TestGateway,
  token: string | null,
  body: object | string,
  official: string | null = 'auditor-7',
): Promise<LightMyRequestResponse> {
  return test.app.inject({
    method: 'POST',
    url: '/v1/audit/export',
    headers: {
      'content-type': 'application/json',
      'accept-language': 'en',
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(official !== null && { 'exchange-official': official }),
    },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export function linesOf(text: string): ExportLine[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as ExportLine);
}

/** The indices of the entries, in their order. */
export function indicesOf(lines: readonly ExportLine[]): number[] {
  return lines.flatMap(({ index }) => (index === undefined ? [] : [index]));
}
