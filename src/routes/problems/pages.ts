import { errorTable, type ErrorCode, type Text } from '../../base/error-table.ts';
import { STATUS_CODES } from '../../http/http-names.ts';
import { headings, type Advice, type Guide } from './guide.ts';
import { escapeHtml, proseToHtml } from './html.ts';
import { style } from './style.ts';

type Status = (typeof errorTable)[ErrorCode]['status'];

/** What a status says, for people; the English names are those of HTTP. */
const statusNames: Record<Status, string> = {
  400: '请求有误',
  401: '未通过身份认证',
  403: '没有权限',
  404: '未找到',
  405: '不支持该方法',
  408: '请求超时',
  409: '状态冲突',
  410: '已停止服务',
  413: '请求体过大',
  415: '不支持该媒体类型',
  422: '无法处理',
  429: '超出限制',
  431: '请求头过大',
  500: '内部错误',
  503: '暂时不可用',
};

const reporting: Text = {
  zh: '求助时请提供应答中的 `instance`（与应答头 `Exchange-Id` 相同）和发生时间；不要提供访问令牌、密钥或任何人的标识号。',
  en: 'When you ask for help, give the `instance` of the answer (the same id as in its header `Exchange-Id`) and the time; never a token, a secret, or the id of a subject.',
};

const introduction: Text = {
  zh: '网关拒绝请求或处理失败时，应答中的 `code` 是下列代码之一。每个代码的页面说明原因、处理办法和咨询对象。程序应当比较 `code`，不要比较标题或说明文字。',
  en: 'When the gateway refuses a request or fails, the `code` of its answer is one of these. The page of each says the cause, the fix, and whom to ask. Programs compare `code`, never titles or details.',
};

/** The page of one code, in both languages. */
export function problemPage(code: ErrorCode, guide: Guide): string {
  const { status, title } = errorTable[code];
  const section = (language: keyof Text): string => `
<section id="${language}" lang="${language}">
<h2>${escapeHtml(title[language])}</h2>
${adviceToHtml(guide[language], headings[language])}
</section>`;
  return page({
    title: `${code} · ${title.zh} · ${title.en}`,
    nav: `
<a href="../problems">全部错误代码 · <span lang="en">All problems</span></a>
<a href="#zh">中文</a>
<a href="#en" lang="en">English</a>
`,
    main: `
<h1><code translate="no">${code}</code></h1>
<p class="quiet">HTTP ${status} · ${statusNames[status]} · <span lang="en">${STATUS_CODES[status]}</span></p>
${section('zh')}
${section('en')}`,
    note: reporting,
  });
}

/** The page of all codes, grouped by status, in both languages. */
export function problemIndex(): string {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const byStatus = [...Map.groupBy(codes, (code) => errorTable[code].status)].sort(([a], [b]) => a - b);
  const groups = byStatus.map(
    ([status, grouped]) => `
<section aria-labelledby="status-${status}">
<h2 id="status-${status}">${status} · ${statusNames[status]} · <span lang="en">${STATUS_CODES[status]}</span></h2>
<ul class="codes">
${grouped.map(indexItem).join('\n')}
</ul>
</section>`,
  );
  return page({
    title: '错误代码 · Problems',
    nav: `
<a href="docs">接口文档 · <span lang="en">API documents</span></a>
`,
    main: `
<h1>错误代码 · <span lang="en">Problems</span></h1>
${inBoth(introduction)}
${groups.join('\n')}`,
    note: reporting,
  });
}

function indexItem(code: ErrorCode): string {
  const { title } = errorTable[code];
  return (
    `<li><a href="problems/${code}" translate="no"><code>${code}</code></a>` +
    `<div><span>${escapeHtml(title.zh)}</span><span class="quiet" lang="en">${escapeHtml(title.en)}</span></div></li>`
  );
}

function adviceToHtml({ cause, fix, ask }: Advice, heading: Record<keyof Advice, string>): string {
  return `<h3>${heading.cause}</h3>
<p>${proseToHtml(cause)}</p>
<h3>${heading.fix}</h3>
<ol>
${fix.map((step) => `<li>${proseToHtml(step)}</li>`).join('\n')}
</ol>
<h3>${heading.ask}</h3>
<p>${proseToHtml(ask)}</p>`;
}

function inBoth({ zh, en }: Text): string {
  return `<p>${proseToHtml(zh)}</p>\n<p lang="en">${proseToHtml(en)}</p>`;
}

/** @param nav and @param main are HTML, and what they quote is escaped already */
function page({ title, nav, main, note }: { title: string; nav: string; main: string; note: Text }): string {
  return `<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · OneVisit</title>
<style>${style}</style>
</head>
<body>
<nav aria-label="导航 · Navigation">${nav}</nav>
<main>${main}
</main>
<footer class="quiet">
${inBoth(note)}
</footer>
</body>
</html>
`;
}
