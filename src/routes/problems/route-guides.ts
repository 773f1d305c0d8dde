import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';

/** Guides to the codes of what is not there, and of requests that HTTP itself refuses (status 404 to 415, and 431). */
export const routeGuides = {
  'record-absent': {
    zh: {
      cause:
        '请求本身没有问题：令牌、用途、授权和标识号均已通过检查，但该数据集中没有这一标识号的记录。本次请求已记入审计日志，结果为“无记录”。',
      fix: [
        '作为一种正常的业务结果处理，不要当作故障重试。',
        '不要据此认定该公民或企业不存在：记录可能尚未入库、在另一数据集中，或标识号已经变更。',
        '请经办人核对标识号；仍无记录的，按原有方式请申请人提供材料。',
      ],
      ask: '如果该记录应当存在，请联系数据提供部门的数据共享联系人，并提供 `instance`；不要在邮件或工单中写标识号。',
    },
    en: {
      cause:
        'Nothing is wrong with the request: token, purpose, grant and id passed every check, and the dataset holds no record of this id. The exchange is in the audit log, with the outcome absent.',
      fix: [
        'Treat it as a result, not as a failure to be tried again.',
        'Do not conclude that the citizen or enterprise does not exist: the record may not be loaded yet, may be in another dataset, or the id may have changed.',
        'Have the official check the id; if there is still no record, ask the applicant for the paper, as before.',
      ],
      ask: 'If there should be a record, the data contact of the providing department, with `instance`; never write the id into a mail or a ticket.',
    },
  },
  'route-unknown': {
    zh: {
      cause:
        '网关没有该地址：路径拼写有误、版本或数据集不存在，或者中间的代理改写了路径。与某个数据请求的地址相近的，`detail` 给出该地址。',
      fix: [
        '对照 `/docs` 逐字核对路径：区分大小写，末尾没有斜杠，数据集名称与 `/docs` 一致（`/v1/{dataset}/read`）。',
        '路径中的数字是该数据集的版本，各数据集的版本可以不同；`/v2` 并不包含 `/v1` 的全部数据集。',
        '检查所配置的网关地址是否多写或漏写了前缀。',
        '路径中的字符须正确进行百分号编码；路径中的每个参数不得超过 100 个字符。',
      ],
      ask: '如果路径与 `/docs` 一致，请联系管理代理或接口平台的人员，再联系网关运维人员。',
    },
    en: {
      cause:
        'The gateway serves nothing at this address: the path is misspelt, the version or the dataset does not exist, or a proxy on the way rewrites paths. Where it is close to the address of a data request, `detail` names that.',
      fix: [
        'Compare the path with `/docs` letter by letter: case matters, there is no slash at the end, and datasets bear the names that `/docs` has (`/v1/{dataset}/read`).',
        'The number in the path is the version of the dataset, and each has its own: `/v2` does not hold every dataset of `/v1`.',
        'See that the base URL in your settings has no prefix too many or too few.',
        'Percent-encode what stands in the path; no parameter in it may have more than 100 characters.',
      ],
      ask: 'If the path is in `/docs`, those who run the proxy or the integration platform, then the operator of the gateway.',
    },
  },
  'not-found': {
    zh: {
      cause:
        '地址无误，但所指的对象不存在、尚不存在，或不属于请求方。三种情形的应答相同，以免泄露其他部门的对象是否存在。',
      fix: [
        '核对编号：条目用应答中的 `Exchange-Entry`，回执用 `Exchange-Id`。',
        '确认令牌属于相应的部门：回执和条目只向数据使用部门、数据提供部门和审计部门提供。',
        '未进入审计日志的请求（如 401、405、413）只有 `Exchange-Id`，没有条目，也没有回执。',
        '尚未签发的检查点和数据块稍后才有；日志有新条目时，通常约一秒后重试即可。',
      ],
      ask: '请求方认为对象应当存在的，请将 `instance` 告知网关运维人员。',
    },
    en: {
      cause:
        'The address is right, and what it names does not exist, does not exist yet, or belongs to others. The three are answered alike, so as not to tell what others have.',
      fix: [
        'Check the id: entries are asked for by the `Exchange-Entry` of an answer, receipts by its `Exchange-Id`.',
        'See that the token is of the right department: entries and receipts are for the consumer, the provider and auditors alone.',
        'Requests that are not in the audit log (such as 401, 405, 413) have an `Exchange-Id`, and neither entry nor receipt.',
        'Checkpoints and tiles that are not signed yet come later; while entries arrive, try again after about a second.',
      ],
      ask: 'If it should be there, the operator of the gateway, with `instance`.',
    },
  },
  'nothing-sealed': {
    zh: {
      cause: '该条目存在，但没有封存的主体：它不是数据请求，或者请求在给出有效标识号之前就被拒绝。',
      fix: [
        '先用 `GET /v1/audit/entries/{index}` 查看该条目：只有含 `sealed` 的条目才能开启。',
        '核对条目编号是否为应答中的 `Exchange-Entry`。',
      ],
      ask: '如果该条目含有 `sealed` 而仍被拒绝，请将 `instance` 告知网关运维人员。',
    },
    en: {
      cause:
        'The entry is there, and nothing in it is sealed: it is no data request, or one that was refused before it named a valid id.',
      fix: [
        'Look at it with `GET /v1/audit/entries/{index}` first: only entries with `sealed` can be opened.',
        'See that the index is the `Exchange-Entry` of the answer you mean.',
      ],
      ask: 'If the entry has `sealed`, the operator of the gateway, with `instance`.',
    },
  },
  'method-not-allowed': {
    zh: {
      cause: '地址存在，但不支持该请求方法；支持的方法见应答头 `Allow` 和 `detail`。',
      fix: [
        '改用 `Allow` 所列的方法。读取个人数据用 `POST /v1/<数据集>/read`。',
        '检查重定向：从 http 转到 https 时，许多客户端会把 POST 改成 GET。请直接配置 https 地址。',
        '网关不支持 HEAD；存活检查请用 `GET /livez`。',
        '网关不支持浏览器跨域调用（OPTIONS）；请从服务器端发出请求。',
      ],
      ask: '先请开发该客户端的人员处理；涉及代理或重定向的，联系管理该代理的人员。',
    },
    en: {
      cause:
        'The address exists, and does not take this method; the header `Allow` of the answer, and `detail`, list those that it takes.',
      fix: [
        'Use a method in `Allow`. Personal data are read with `POST /v1/<dataset>/read`.',
        'Look for redirects: sent on from http to https, many clients turn POST into GET. Configure the https address itself.',
        'There is no HEAD; check that the gateway lives with `GET /livez`.',
        'Browsers can not call the gateway from another site (OPTIONS): send requests from your server.',
      ],
      ask: 'The developers of your client; for proxies and redirects, those who run them.',
    },
  },
  'ids-not-in-urls': {
    zh: {
      cause:
        '该数据集涉及个人信息，个人标识号不得出现在网址中，因为网址会留在代理和服务器的日志里。网关未查询该记录，本次请求未记入审计日志。',
      fix: [
        '改用 `detail` 所示的 POST 地址，在请求体中给出标识号：`{"id":"…","fields":["name"]}`。',
        '已经发出的网址可能留在本部门的代理、网关之前的设备和客户端的日志中，请按个人信息处理规定清理。',
      ],
      ask: '清理日志请联系本部门的系统管理员和代理的管理人员；运维人员可以将网关设置为允许此类网址，但客户端不应依赖这一设置。',
    },
    en: {
      cause:
        'The dataset is personal, and ids of persons do not belong in URLs, because proxies and servers keep URLs in their logs. The gateway did not look for the record, and the request is not in the audit log.',
      fix: [
        'Use the POST address that `detail` names, with the id in the body: `{"id":"…","fields":["name"]}`.',
        'The URL that was sent may be in the logs of your client, of proxies and of what stands before the gateway: clear it from there, as your rules on personal data demand.',
      ],
      ask: "Your department's own administrator and those who run the proxies, to clear the logs. An operator can set a gateway to allow such URLs; do not build on it.",
    },
  },
  'request-timeout': {
    zh: {
      cause: '请求没有在规定时间（30 秒）内完整到达，网关已关闭连接。该请求未被处理，也未记入审计日志。',
      fix: [
        '换新连接重发；重复请求数据是安全的。',
        '检查 `Content-Length`：如果大于实际发送的字节数，网关会一直等待其余部分。',
        '不要预先建立连接而迟迟不发送请求。',
        '如果经常发生，请检查网络丢包，以及代理是否缓慢转发请求体。',
      ],
      ask: '先联系本部门的网络管理人员；如果其他客户端同时受到影响，请联系网关运维人员。',
    },
    en: {
      cause:
        'The request did not arrive whole in the time that it has (30 seconds), and the gateway closed the connection. It was not handled, and is not in the audit log.',
      fix: [
        'Send it again on a new connection; repeating a data request is safe.',
        'Check `Content-Length`: where it says more bytes than are sent, the gateway waits for the rest.',
        'Do not open connections in advance and leave them without a request.',
        'If it happens often, look for lost packets, and for a proxy that passes bodies on slowly.',
      ],
      ask: 'Those who run the network of your department; if other clients are affected at the same time, the operator of the gateway.',
    },
  },
  'version-retired': {
    zh: {
      cause:
        '路径中的数据集版本已停止服务；停用日期和后续版本见 `detail`。停用之前，该版本的应答带有 `Deprecation`、`Sunset` 和指向后续版本的 `Link`。',
      fix: [
        '改用 `detail` 所示的后续版本，并在 `/docs` 中对照两个版本的字段。',
        '授权按数据集给予，不分版本；但后续版本中更名或新增的字段，须在授权之中才能使用。',
        '今后请在监控中留意应答的 `Sunset`，在停用之前完成切换。',
      ],
      ask: '字段如何对应、授权是否包含新字段，请询问数据提供部门的数据共享联系人；停用安排请询问网关运维人员。',
    },
    en: {
      cause:
        'The version of the dataset in the path is no longer served; `detail` names the date and the successor. Before that date its answers carried `Deprecation`, `Sunset`, and a `Link` to the successor.',
      fix: [
        'Use the successor that `detail` names, and compare the fields of both versions in `/docs`.',
        'Grants are for a dataset, not for a version; but a field that the successor renamed or added must be among the granted ones.',
        'From now on watch answers for `Sunset`, and change over before that date.',
      ],
      ask: 'The data contact of the providing department, for how fields correspond and whether they are granted; the operator of the gateway, for dates.',
    },
  },
  'payload-too-large': {
    zh: {
      cause: '请求体超过该接口的上限；上限见 `detail`（字节）。网关没有读取其内容。',
      fix: [
        '核对实际发送的内容：读取请求只需标识号和字段名，通常不到一千字节。',
        '常见的原因是误附了文件，或把 JSON 重复编码成了字符串。',
        '不要要求调大上限；确需多条记录时，请分次请求。',
      ],
      ask: '先请开发该客户端的人员处理；对上限有疑问的，请询问网关运维人员。',
    },
    en: {
      cause:
        'The body has more bytes than the route takes; `detail` names the limit. The gateway did not read what it says.',
      fix: [
        'Look at what is really sent: a read needs an id and names of fields, usually less than a thousand bytes.',
        'Often a file is attached by mistake, or JSON is encoded again as a string.',
        'Do not plan on a higher limit: ask for many records in several requests.',
      ],
      ask: 'The developers of your client; the operator of the gateway, about the limit.',
    },
  },
  'media-type-unsupported': {
    zh: {
      cause: '请求体的媒体类型不受支持，或带有请求体却没有 `Content-Type`；应当使用的类型见 `detail`。',
      fix: [
        '数据请求用 `Content-Type: application/json`；只有令牌端点使用 `application/x-www-form-urlencoded`。',
        '用 `curl -d` 时须另加 `-H "Content-Type: application/json"`，否则默认按表单发送。',
        '仅改请求头是不够的：请求体也须是相应格式，并为 UTF-8 编码。',
      ],
      ask: '请开发该客户端的人员处理。',
    },
    en: {
      cause:
        'The media type of the body is not one that the route takes, or there is a body without `Content-Type`; `detail` says what to send.',
      fix: [
        'Data requests are sent as `Content-Type: application/json`; only the token endpoint takes `application/x-www-form-urlencoded`.',
        'With `curl -d`, add `-H "Content-Type: application/json"`: without it, curl sends a form.',
        'The header alone is not enough: the body must be of that type too, in UTF-8.',
      ],
      ask: 'The developers of your client.',
    },
  },
  'headers-too-large': {
    zh: {
      cause:
        '请求行和请求头合计超过了服务器的上限（通常为 16 KiB）。网关没有处理该请求，并已关闭连接；此时无法识别语言偏好，应答一律为中文。',
      fix: [
        '去掉不必要的请求头，尤其是 Cookie：网关不使用 Cookie。',
        '检查各级代理是否重复添加了转发或追踪请求头。',
        '不要把数据放在网址或自定义请求头中；用 POST 在请求体中发送。',
      ],
      ask: '先请开发该客户端的人员处理，再联系管理代理或接口平台的人员。',
    },
    en: {
      cause:
        'The request line and the headers together are larger than the server takes (usually 16 KiB). The gateway did not handle the request and closed the connection; it could not read the preferred language either, so the answer is in Chinese.',
      fix: [
        'Drop headers that are not needed, cookies above all: the gateway uses none.',
        'See whether proxies on the way add forwarding or tracing headers again and again.',
        'Put no data into the URL or into headers of your own; send it in the body, with POST.',
      ],
      ask: 'The developers of your client, then those who run the proxies or the integration platform.',
    },
  },
} satisfies Partial<Record<ErrorCode, Guide>>;
