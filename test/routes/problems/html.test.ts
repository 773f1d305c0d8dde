import fc from 'fast-check';
import t from 'tap';
import { escapeHtml, proseToHtml } from '../../../src/routes/problems/html.ts';

await t.test('lets no text become markup, and loses none', (t) => {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  const piece = fc.oneof(fc.constantFrom('<', '>', '&', '"', "'", '&lt;', '</p>'), fc.string());
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('');
      const html = escapeHtml(text);
      t.notMatch(html, /[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
      t.equal(
        html.replaceAll(/&([^;]+);/g, (_, name: string) => names[name]!),
        text,
      );
    }),
  );
  t.end();
});

await t.test('sets as code what stands between backticks, escaped as well', (t) => {
  t.equal(
    proseToHtml('Send `Bearer <token>` & "wait".'),
    'Send <code>Bearer &lt;token&gt;</code> &amp; &quot;wait&quot;.',
  );
  t.equal(proseToHtml('one ` alone'), 'one ` alone');
  t.end();
});
