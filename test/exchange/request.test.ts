import fc from 'fast-check';
import t from 'tap';
import { read, type ReadBody } from '../../src/exchange/read.ts';
import { readGetRequest, readPostRequest, type DataRequest } from '../../src/exchange/request.ts';
import { isCleanText } from '../../src/http/headers.ts';

function post(body: unknown, headers: Record<string, string> = {}): DataRequest<ReadBody> {
  return readPostRequest(headers, typeof body === 'string' ? body : JSON.stringify(body), read.readBody);
}

function get(id: string, query: unknown): DataRequest<ReadBody> {
  return readGetRequest({}, id, query, read.readBody);
}

await t.test('reads what the consumer sent', (t) => {
  const headers = {
    'exchange-purpose': 'p',
    'exchange-case': '%E5%8F%B7-1',
    'exchange-official': 'clerk',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  t.strictSame(post({ id: 'x', fields: ['b', 'a', 'b'] }, headers), {
    purpose: 'p',
    caseNumber: '号-1',
    official: 'clerk',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    headerFault: null,
    body: { id: 'x', fields: ['b', 'a', 'b'] },
    bodyFault: null,
  });
  t.end();
});

await t.test('says null of what the consumer left out', (t) => {
  t.strictSame(post({ id: 'x' }), {
    purpose: null,
    caseNumber: null,
    official: null,
    traceId: null,
    headerFault: null,
    body: { id: 'x' },
    bodyFault: null,
  });
  t.end();
});

await t.test('finds either a fault or an id, whatever the body', (t) => {
  const body = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc
      .record({ id: fc.string(), fields: fc.array(fc.constantFrom('a', 'b_1')) })
      .map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          id: fc.oneof(fc.string({ maxLength: 70 }), fc.string({ unit: 'binary' }), fc.jsonValue()),
          fields: fc.oneof(
            fc.array(fc.constantFrom('a', 'b_1')),
            fc.array(fc.constantFrom('a', 'b_1', 'A', '', '__proto__')),
            fc.jsonValue(),
          ),
          more: fc.jsonValue(),
        },
        { requiredKeys: ['id'] },
      )
      .map((value) => JSON.stringify(value)),
  );
  let good = 0;
  fc.assert(
    fc.property(body, (text) => {
      const request = post(text);
      if (request.body === null) return request.bodyFault.code === 'invalid-request';
      const { id, fields } = request.body;
      good++;
      const members = Object.keys(JSON.parse(text) as object);
      return (
        request.bodyFault === null &&
        isCleanText(id) &&
        id.length > 0 &&
        Array.from(id).length <= 64 &&
        members.every((name) => ['id', 'fields'].includes(name)) &&
        (fields === undefined || fields.length > 0)
      );
    }),
    { numRuns: 2000 },
  );
  t.ok(good > 20, 'some bodies were good');
  t.end();
});

await t.test('throws at no header, whatever it is', (t) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^(%[0-9A-F]{2}|[a-z%])*$/),
    fc.constant(undefined),
  );
  let found = 0;
  fc.assert(
    fc.property(value, value, value, value, (purpose, caseNumber, official, traceparent) => {
      const headers = {
        'exchange-purpose': purpose,
        'exchange-case': caseNumber,
        'exchange-official': official,
        traceparent,
      };
      const request = readPostRequest(headers, '{"id":"x"}', read.readBody);
      const texts = [request.caseNumber, request.official].filter((text) => text !== null);
      found += texts.length;
      return (
        request.body?.id === 'x' &&
        texts.every(isCleanText) &&
        (request.headerFault === null || request.headerFault.code === 'invalid-request')
      );
    }),
    { numRuns: 1000 },
  );
  t.ok(found > 20, 'some could be read');
  t.end();
});

await t.test('reads back every case and official that was percent-encoded', (t) => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 10 })
    .filter((one) => isCleanText(one) && one.trim() !== '');
  fc.assert(
    fc.property(text, text, (caseNumber, official) => {
      const request = post(
        { id: 'x' },
        {
          'exchange-case': encodeURIComponent(caseNumber),
          'exchange-official': encodeURIComponent(official),
        },
      );
      t.match(request, { caseNumber, official, headerFault: null });
    }),
  );
  t.end();
});

await t.test('reads the other header when one can not be read', (t) => {
  const request = post({ id: 'x' }, { 'exchange-case': '%', 'exchange-official': 'clerk' });
  t.match(request, { caseNumber: null, official: 'clerk', headerFault: { code: 'invalid-request' } });
  t.end();
});

await t.test('takes 200 fields and ids of 64 characters, and no more', (t) => {
  const fields = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${i}`);
  t.equal(post({ id: 'x', fields: fields(200) }).bodyFault, null);
  t.equal(post({ id: 'x', fields: fields(201) }).bodyFault?.code, 'invalid-request');
  t.equal(post({ id: 'x'.repeat(64) }).bodyFault, null);
  t.equal(post({ id: 'x'.repeat(65) }).bodyFault?.code, 'invalid-request');
  t.equal(post({ id: '' }).bodyFault?.code, 'invalid-request');
  t.end();
});

await t.test('reads GET as it reads POST', (t) => {
  t.strictSame(get('x', { fields: 'b,a,b' }), post({ id: 'x', fields: ['b', 'a', 'b'] }));
  t.strictSame(get('x', {}), post({ id: 'x' }));
  const bad: Record<string, unknown>[] = [
    { fields: '' },
    { fields: ['a', 'b'] },
    { field: 'a' },
    { id: 'y' },
  ];
  for (const query of bad) t.equal(get('x', query).bodyFault?.code, 'invalid-request', JSON.stringify(query));
  t.equal(get('a\u0000', {}).bodyFault?.code, 'invalid-request');
  t.end();
});
