import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';

/** Guides to the codes that find fault with what a data request says (status 400). */
export const requestGuides = {
  'invalid-request': {
    zh: {
      cause:
        '网关无法按接口规定理解该请求：请求体不是 JSON、缺少成员或含有未规定的成员，请求头未按规定编码，查询参数有误，或者报文本身不是合法的 HTTP。具体原因见 `detail`。',
      fix: [
        '先看 `detail`；应答中如有 `errors`，其中每个 `pointer` 指出请求体中出错的位置。',
        '对照 `/docs` 中该接口的说明检查请求体。读取请求只接受 `id` 和 `fields` 两个成员，`id` 须为字符串，不能是数字。',
        '`Exchange-Case` 和 `Exchange-Official` 须为百分号编码的 UTF-8，编码前分别不超过 128 和 64 个字符。',
        '用 GET 请求时只能带查询参数 `fields`，且只出现一次，多个字段以逗号分隔。',
        '改正后再发送；原样重发只会得到同样的结果。',
      ],
      ask: '先请开发该客户端的人员处理。如果请求确与 `/docs` 所述一致，请将 `instance` 告知网关运维人员。',
    },
    en: {
      cause:
        'The gateway can not read the request as the interface has it: the body is not JSON, or has a member missing or unknown; a header is not encoded as it must be; a query parameter is wrong; or the message is not well-formed HTTP. `detail` says which.',
      fix: [
        'Read `detail` first; where the answer has `errors`, each `pointer` names the place in the body.',
        'Compare the body with the route in `/docs`. A read takes the members `id` and `fields` alone, and `id` is a string, never a number.',
        'Send `Exchange-Case` and `Exchange-Official` as percent-encoded UTF-8 of at most 128 and 64 characters before encoding.',
        'With GET, send no query parameter but `fields`, once, the names separated by commas.',
        'Correct the request before you send it again: unchanged, it is refused again.',
      ],
      ask: 'The developers of your client. If the request is what `/docs` says, give `instance` to the operator of the gateway.',
    },
  },
  'invalid-id': {
    zh: {
      cause:
        '请求中的标识号不符合该数据集的编码标准：位数或字符不对、日期不存在，或者校验码不符。网关在查询之前即拒绝，并不说明是否有此记录。',
      fix: [
        '公民身份号码（`resident-id`）为 18 位，末位的 X 须大写；15 位旧号码须先换成 18 位。',
        '统一社会信用代码（`uscc`）为 18 位，字母须大写，不使用 I、O、S、V、Z。',
        '检查标识号前后是否有空格、是否为全角字符，以及是否曾被表格软件当作数字改写（末几位变成 0）。',
        '最好在录入时就按 GB 11643、GB 32100 核对校验码，以便当场更正。',
      ],
      ask: '请录入该标识号的经办人对照证件核对。如果证件上的号码确实如此，请联系数据提供部门的数据共享联系人。',
    },
    en: {
      cause:
        'The id does not keep to the standard of the dataset: its length or a character is wrong, its date does not exist, or its check digit does not fit. The gateway refuses it before it looks for a record, so this does not say whether there is one.',
      fix: [
        'A resident identity number (`resident-id`) has 18 characters, and an X at its end is a capital; convert old numbers of 15 digits first.',
        'A unified social credit code (`uscc`) has 18 characters in capitals, without I, O, S, V and Z.',
        'Look for blanks around the id, full-width characters, and spreadsheets that took it for a number (its last digits have become 0).',
        'Best check the digit where ids are typed in (GB 11643, GB 32100), while it can still be corrected.',
      ],
      ask: 'The official who entered the id, to compare it with the certificate. If the certificate really says so, the data contact of the providing department.',
    },
  },
  'unknown-field': {
    zh: {
      cause:
        '`fields` 中有该数据集这一版本所没有的字段。整个请求被拒绝，未提供任何数据；`detail` 列出这些字段；其他版本的字段，说明其在本版本中的名称，名称相近的会给出建议。',
      fix: [
        '对照 `/docs` 中该数据集的字段名改正；字段名为小写字母、数字和下划线。',
        '确认路径中的版本：不同版本（`/v1`、`/v2`）的字段可以不同。',
        '去掉不需要的字段；不带 `fields` 时，网关给出就该用途已获授权的全部字段。',
      ],
      ask: '字段的含义、数据集中有没有某项数据，请询问数据提供部门的数据共享联系人。',
    },
    en: {
      cause:
        '`fields` names a field that this version of the dataset does not have. The whole request is refused and nothing was released; `detail` lists the names; it says what a field of another version is called in this one, or suggests a similar name.',
      fix: [
        'Correct the names by the dataset in `/docs`; they are of small letters, digits and underscores.',
        'Check the version in the path: versions (`/v1`, `/v2`) may differ in their fields.',
        'Leave out what you do not need; without `fields`, the gateway gives all fields granted for the purpose.',
      ],
      ask: 'The data contact of the providing department, for what a field means and whether the dataset has what you look for.',
    },
  },
  'purpose-required': {
    zh: {
      cause: '每次数据请求都须说明用途，而该请求没有 `Exchange-Purpose` 请求头，或其值为空。',
      fix: [
        '在请求头中给出已登记的用途代码，例如 `Exchange-Purpose: marriage-registration`；请求头只出现一次，只写一个代码。',
        '如果客户端已经发送，请检查中间的代理或接口平台是否去掉了自定义请求头。',
        '用途要按所办事项逐次填写，不要在客户端中写死。',
      ],
      ask: '某类事项应当使用哪个用途代码，请询问本部门的业务主管人员。',
    },
    en: {
      cause:
        'Every data request says what it is for, and this one has no header `Exchange-Purpose`, or an empty one.',
      fix: [
        'Send the code of a registered purpose, as in `Exchange-Purpose: marriage-registration`: the header once, with one code.',
        'If your client sends it, see whether a proxy or an integration platform on the way drops headers it does not know.',
        'Set the purpose by the case being handled, not once for the whole client.',
      ],
      ask: 'Those in your department who answer for the business, for the purpose that fits a kind of case.',
    },
  },
  'purpose-unknown': {
    zh: {
      cause:
        '`Exchange-Purpose` 中的代码没有登记。只有登记了法律依据的用途才能用于请求数据；代码相近时 `detail` 会给出建议。',
      fix: [
        '核对拼写：须逐字填写用途代码（小写字母和连字符），不能填写用途名称或中文说明。',
        '请求头只能出现一次、只写一个代码；重复的请求头会被合并成一个未登记的代码。',
        '如果测试环境可用而正式环境不可用，请确认该用途已在正式环境登记。',
        '如果确需新的用途，请连同法律依据申请登记；登记后约一秒内生效。',
      ],
      ask: '已登记的用途和新用途的登记，请联系网关主管部门的管理员；应当使用哪个用途，请询问本部门的业务主管人员。',
    },
    en: {
      cause:
        'The code in `Exchange-Purpose` is not registered. Data is asked for only for purposes that are registered with their legal basis; `detail` suggests a code where one is similar.',
      fix: [
        'Check the spelling: send the code itself (small letters and hyphens), not the title of the purpose.',
        'Send the header once, with one code: headers that come twice are joined into a code that nobody registered.',
        'If it works in the sandbox and not in production, have the purpose registered in production too.',
        'If you need a new purpose, apply for it with its legal basis; it counts within a second of being registered.',
      ],
      ask: 'The administrators of the gateway, for what is registered and for a new purpose; those in your department who answer for the business, for the one that fits.',
    },
  },
  'case-required': {
    zh: {
      cause:
        '该用途（或本部门所获的授权）要求说明为哪一事项请求数据，而该请求没有 `Exchange-Case` 请求头，或其值为空白。',
      fix: [
        '在 `Exchange-Case` 中给出本部门业务系统的事项编号，百分号编码的 UTF-8，编码前不超过 128 个字符。',
        '编号须能在本部门业务系统中查到：它会记入审计日志，供日后核查。不要填写占位内容。',
        '先受理、后取数：在事项编号生成之后再请求数据。',
      ],
      ask: '用途为何有此要求，请询问网关主管部门的管理员；授权为何有此要求，请询问数据提供部门的数据共享联系人。',
    },
    en: {
      cause:
        'The purpose, or the grant of your department, demands the case for which data is asked, and the request has no header `Exchange-Case`, or a blank one.',
      fix: [
        "Send the number of the case in your department's own system in `Exchange-Case`: percent-encoded UTF-8, at most 128 characters before encoding.",
        'The number must lead to the case: it is kept in the audit log and is what auditors follow. Send no placeholder.',
        'Open the case first, and ask for data once it has its number.',
      ],
      ask: 'The administrators of the gateway, where the purpose demands it; the data contact of the providing department, where the grant does.',
    },
  },
  'official-required': {
    zh: {
      cause:
        '该请求须说明是为哪位经办人发出的，而 `Exchange-Official` 请求头缺失或为空白。用途和授权都可以提出这一要求；查询审计日志、查看其他部门的回执时一律须给出经办人。',
      fix: [
        '在 `Exchange-Official` 中给出经办人在本部门的标识（如工号），百分号编码的 UTF-8，编码前不超过 64 个字符。',
        '取自当前登录的用户，不要让所有请求共用一个账号：它会记入审计日志，须能对应到具体的人。',
        '无人值守的批处理没有经办人，请改用不要求经办人的用途，或事先与数据提供部门商定。',
      ],
      ask: '经办人标识如何编定，请询问本部门的系统管理员；授权中的要求，请询问数据提供部门的数据共享联系人。',
    },
    en: {
      cause:
        'The request must name the official for whom it is made, and the header `Exchange-Official` is missing or blank. A purpose or a grant may demand it; queries of the audit log, and receipts of the exchanges of others, always do.',
      fix: [
        "Send the official's id at your department, such as the staff number, in `Exchange-Official`: percent-encoded UTF-8, at most 64 characters before encoding.",
        'Take it from whoever is signed in, not from one account for all: it is kept in the audit log and must lead to a person.',
        'A job that runs unattended has no official: use a purpose that demands none, or agree on it with the providing department first.',
      ],
      ask: "Your department's own administrator, for the ids of officials; the data contact of the providing department, for what a grant demands.",
    },
  },
} satisfies Partial<Record<ErrorCode, Guide>>;
