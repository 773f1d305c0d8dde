import { createHash } from 'node:crypto';
import t from 'tap';
import { createLanes, initialState, laneCount } from '../../src/audit/sha256-lanes.ts';

await t.test('takes a block of each lane as SHA-256 does', (t) => {
  const lanes = createLanes();
  if (lanes === null) throw new Error('this processor has no vectors');
  const { words, compress } = lanes;
  const [block, digest] = [64, 512];
  words.set(initialState, 0);
  const texts = ['abc', '', 'a'.repeat(55), '汉字'];
  for (const [lane, text] of texts.entries()) {
    const padded = Buffer.alloc(64);
    const written = padded.write(text);
    padded[written] = 0x80;
    padded.writeUInt32BE(8 * written, 60);
    for (let i = 0; i < 16; i++) words[block / 4 + i * laneCount + lane] = padded.readUInt32BE(4 * i);
  }
  compress(0, block, digest);
  const digests = texts.map((_, lane) =>
    Array.from({ length: 8 }, (_word, i) =>
      words[digest / 4 + i * laneCount + lane]!.toString(16).padStart(8, '0'),
    ).join(''),
  );
  t.strictSame(
    digests,
    texts.map((text) => createHash('sha256').update(text).digest('hex')),
  );
  t.end();
});
