import { createHash } from 'node:crypto';

/** The whole style of the pages: no font, image or file besides. */
export const style = `
:root {
  color-scheme: light dark;
  --text: #1b1f24; --quiet: #57606a; --line: #d5dae0; --paper: #fff; --code: #f1f3f5; --link: #0b57b0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e4e7eb; --quiet: #a3adb8; --line: #3a424c; --paper: #14181d; --code: #232a32; --link: #86b8ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 46rem;
  background: var(--paper); color: var(--text); overflow-wrap: break-word;
  font: 1rem/1.8 system-ui, "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
}
section:lang(en), p:lang(en) { line-height: 1.6; }
a { color: var(--link); text-underline-offset: .2em; }
code {
  font: .9em/1.4 ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: var(--code); border-radius: .2em; padding: .1em .3em; overflow-wrap: anywhere;
}
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; font-size: .9rem; }
nav :first-child { margin-right: auto; }
h1 { margin: 2rem 0 .5rem; font-size: 1.9rem; line-height: 1.3; overflow-wrap: anywhere; }
h2 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.4; }
h3 { margin: 1.5rem 0 .35rem; font-size: 1rem; }
h1 code { font-size: 1em; background: none; padding: 0; }
p, ul, ol { margin: 0 0 .75rem; }
ol { padding-left: 1.5rem; }
li { margin: .3rem 0; }
section { margin-top: 2rem; padding-top: 1.75rem; border-top: 1px solid var(--line); }
.quiet { color: var(--quiet); }
.codes { list-style: none; padding: 0; line-height: 1.5; }
.codes li { display: grid; grid-template-columns: 15.5rem 1fr; gap: 0 1rem; margin: .6rem 0; }
.codes span { display: block; }
.codes code { background: none; padding: 0; }
@media (max-width: 34rem) { .codes li { grid-template-columns: 1fr; } }
footer { margin-top: 2.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: .9rem; }
`;

const hash = createHash('sha256').update(style).digest('base64');

/** The policy under which pages are served: their own style, and nothing else (CSP Level 3). */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hash}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
