/** A text in the gateway's two languages. */
export interface Text {
  zh: string;
  en: string;
}

interface ErrorKind {
  status: number;
  title: Text;
  /** Placeholders in braces are filled from the problem's parameters, which never hold personal data. */
  detail: Text;
}

/** Every error that the gateway answers as a problem: its code, status, title and detail. */
export const errorTable = {
  'invalid-request': {
    status: 400,
    title: { en: 'The request is not valid', zh: '请求无效' },
    detail: { en: 'The request is not valid: {reason}.', zh: '请求无效：{reason}。' },
  },
  'invalid-id': {
    status: 400,
    title: { en: 'The id is not valid', zh: '标识号无效' },
    detail: {
      en: 'The id is not a valid {format} number: its form or its check digit is wrong.',
      zh: '标识号不符合 {format} 的格式，或校验码错误。',
    },
  },
  'unknown-field': {
    status: 400,
    title: { en: 'The dataset has no such field', zh: '数据集没有该字段' },
    detail: {
      en: 'Dataset {dataset} has no field named {fields}.{suggestion}',
      zh: '数据集 {dataset} 没有名为 {fields} 的字段。{suggestion}',
    },
  },
  'purpose-required': {
    status: 400,
    title: { en: 'A purpose is required', zh: '必须说明用途' },
    detail: {
      en: 'Send the code of a registered purpose in the header Exchange-Purpose.',
      zh: '请在 Exchange-Purpose 请求头中给出已登记的用途代码。',
    },
  },
  'purpose-unknown': {
    status: 400,
    title: { en: 'The purpose is not registered', zh: '用途未登记' },
    detail: {
      en: 'The header Exchange-Purpose names no registered purpose.{suggestion}',
      zh: 'Exchange-Purpose 请求头中的用途代码未登记。{suggestion}',
    },
  },
  'case-required': {
    status: 400,
    title: { en: 'A case number is required', zh: '必须给出事项编号' },
    detail: {
      en: 'For the purpose {purpose}, send the number of the case in the header Exchange-Case (percent-encoded UTF-8).',
      zh: '用于 {purpose} 的请求须在 Exchange-Case 请求头中给出事项编号（百分号编码的 UTF-8）。',
    },
  },
  'official-required': {
    status: 400,
    title: { en: 'An official is required', zh: '必须给出经办人' },
    detail: {
      en: 'Name the official for whom you ask in the header Exchange-Official (percent-encoded UTF-8).',
      zh: '请在 Exchange-Official 请求头中给出经办人标识（百分号编码的 UTF-8）。',
    },
  },
  'token-missing': {
    status: 401,
    title: { en: 'An access token is required', zh: '缺少访问令牌' },
    detail: {
      en: 'Send an access token in the header Authorization, as "Bearer" and the token.',
      zh: '请在 Authorization 请求头中以 Bearer 方式给出访问令牌。',
    },
  },
  'token-invalid': {
    status: 401,
    title: { en: 'The access token is not valid', zh: '访问令牌无效' },
    detail: {
      en: 'The access token is malformed, was not issued by this gateway, or its client was revoked.',
      zh: '访问令牌格式错误、并非本网关签发，或其客户端已被撤销。',
    },
  },
  'token-expired': {
    status: 401,
    title: { en: 'The access token has expired', zh: '访问令牌已过期' },
    detail: {
      en: 'The access token has expired: get a new one from the token endpoint.',
      zh: '访问令牌已过期，请从令牌端点重新获取。',
    },
  },
  'scope-missing': {
    status: 403,
    title: { en: 'The token lacks a scope', zh: '令牌权限范围不足' },
    detail: {
      en: 'This request needs a token with the scope {scope}.',
      zh: '该请求需要权限范围为 {scope} 的令牌。',
    },
  },
  'no-grant': {
    status: 403,
    title: { en: 'There is no grant', zh: '没有授权' },
    detail: {
      en: 'Department {consumer} has no grant for dataset {dataset}.',
      zh: '部门 {consumer} 没有数据集 {dataset} 的授权。',
    },
  },
  'grant-expired': {
    status: 403,
    title: { en: 'The grant has expired', zh: '授权已过期' },
    detail: {
      en: 'The grant of department {consumer} for dataset {dataset} has expired.',
      zh: '部门 {consumer} 对数据集 {dataset} 的授权已过期。',
    },
  },
  'grant-suspended': {
    status: 403,
    title: { en: 'The grant is suspended', zh: '授权已暂停' },
    detail: {
      en: 'The grant of department {consumer} for dataset {dataset} is suspended.',
      zh: '部门 {consumer} 对数据集 {dataset} 的授权已暂停。',
    },
  },
  'purpose-not-granted': {
    status: 403,
    title: { en: 'The purpose is not granted', zh: '用途未获授权' },
    detail: {
      en: 'Department {consumer} has no grant for dataset {dataset} for the purpose {purpose}.',
      zh: '部门 {consumer} 对数据集 {dataset} 没有用于 {purpose} 的授权。',
    },
  },
  'field-not-granted': {
    status: 403,
    title: { en: 'Some fields are not granted', zh: '部分字段未获授权' },
    detail: {
      en: 'Not granted for the purpose {purpose}: {fields}. Nothing was released.',
      zh: '以下字段未获用于 {purpose} 的授权：{fields}。未提供任何数据。',
    },
  },
  'step-not-yours': {
    status: 403,
    title: { en: 'This step is not yours to take', zh: '无权对该授权执行此操作' },
    detail: {
      en: 'Department {department} may not do that with this grant: {rule}.',
      zh: '部门 {department} 不能对该授权执行此操作：{rule}。',
    },
  },
  'record-absent': {
    status: 404,
    title: { en: 'There is no such record', zh: '没有该记录' },
    detail: {
      en: 'Dataset {dataset} holds no record of this id.',
      zh: '数据集 {dataset} 中没有该标识号的记录。',
    },
  },
  'route-unknown': {
    status: 404,
    title: { en: 'There is no such address', zh: '没有该地址' },
    detail: {
      en: 'The gateway serves nothing here; the documents at /docs list what it serves.{suggestion}',
      zh: '网关没有该地址；可用的地址见 /docs。{suggestion}',
    },
  },
  'not-found': {
    status: 404,
    title: { en: 'There is nothing of that name', zh: '没有该对象' },
    detail: {
      en: 'It does not exist, does not exist yet, or belongs to others.{archived}',
      zh: '该对象不存在、尚不存在，或不属于请求方。{archived}',
    },
  },
  'method-not-allowed': {
    status: 405,
    title: { en: 'The method is not allowed here', zh: '不支持该请求方法' },
    detail: { en: 'This address takes: {allow}.', zh: '该地址支持的方法：{allow}。' },
  },
  'ids-not-in-urls': {
    status: 405,
    title: { en: 'Personal ids do not belong in URLs', zh: '网址中不得出现个人标识号' },
    detail: {
      en: 'Dataset {dataset} is personal: send the id in the body of POST /{version}/{dataset}/read.',
      zh: '数据集 {dataset} 涉及个人信息：请用 POST /{version}/{dataset}/read 在请求体中给出标识号。',
    },
  },
  'version-retired': {
    status: 410,
    title: { en: 'This version is no longer served', zh: '该版本已停止服务' },
    detail: {
      en: 'Version {version} of dataset {dataset} is no longer served since {sunset}: use {successor}.',
      zh: '数据集 {dataset} 的版本 {version} 自 {sunset} 起停止服务，请改用 {successor}。',
    },
  },
  'request-timeout': {
    status: 408,
    title: { en: 'The request took too long to arrive', zh: '请求接收超时' },
    detail: { en: 'The request did not arrive in time.', zh: '请求未在规定时间内到达。' },
  },
  'nothing-sealed': {
    status: 409,
    title: { en: 'The entry has nothing sealed', zh: '该条目没有封存的主体' },
    detail: {
      en: 'Entry {index} names no subject that could be opened.',
      zh: '条目 {index} 没有可以开启的封存主体。',
    },
  },
  'grant-state-conflict': {
    status: 409,
    title: { en: 'The grant is in another state', zh: '授权状态不符' },
    detail: {
      en: 'The grant is {status}: that can not be done with it.',
      zh: '该授权的状态为 {status}，不能执行此操作。',
    },
  },
  'purpose-exists': {
    status: 409,
    title: { en: 'The purpose is registered already', zh: '用途已登记' },
    detail: {
      en: 'There is a purpose {purpose} already; what is registered is not changed.',
      zh: '用途 {purpose} 已经登记；已登记的用途不可更改。',
    },
  },
  'payload-too-large': {
    status: 413,
    title: { en: 'The body is too large', zh: '请求体过大' },
    detail: { en: 'The body may have at most {limit} bytes.', zh: '请求体最多 {limit} 字节。' },
  },
  'media-type-unsupported': {
    status: 415,
    title: { en: 'The media type is not supported', zh: '不支持该媒体类型' },
    detail: { en: 'Send the body as {expected}.', zh: '请以 {expected} 发送请求体。' },
  },
  'idempotency-key-reused': {
    status: 422,
    title: { en: 'The idempotency key came with another request', zh: '幂等键已用于其他请求' },
    detail: {
      en: 'The key in the header Idempotency-Key was used within a day with another request.',
      zh: 'Idempotency-Key 请求头中的键在一日之内已用于另一个请求。',
    },
  },
  'headers-too-large': {
    status: 431,
    title: { en: 'The headers are too large', zh: '请求头过大' },
    detail: { en: 'The headers of the request are too large.', zh: '请求头过大。' },
  },
  'quota-exceeded': {
    status: 429,
    title: { en: 'The quota of the day is used up', zh: '当日配额已用完' },
    detail: {
      en: 'A grant of department {consumer} for dataset {dataset} allows {quota} subjects a day, and this request would exceed it.',
      zh: '部门 {consumer} 对数据集 {dataset} 的一项授权每日最多查询 {quota} 个主体，本次请求将超出该配额。',
    },
  },
  'guess-limit': {
    status: 429,
    title: { en: 'Too many verifications of one subject', zh: '对同一主体的核验次数过多' },
    detail: {
      en: 'A department may verify claims about one subject {limit} times a day.',
      zh: '每个部门每日对同一主体最多核验 {limit} 次。',
    },
  },
  'rate-limited': {
    status: 429,
    title: { en: 'Too many requests', zh: '请求过于频繁' },
    detail: {
      en: 'At most {limit} requests are taken in {window} seconds; try again after the time in Retry-After.',
      zh: '每 {window} 秒最多接受 {limit} 次请求；请在 Retry-After 所示时间之后重试。',
    },
  },
  'internal-error': {
    status: 500,
    title: { en: 'The gateway failed', zh: '网关内部错误' },
    detail: {
      en: 'The gateway failed to handle the request; its operator finds the cause by the instance of this problem.',
      zh: '网关处理请求时出错；运维人员可凭本问题的 instance 查找原因。',
    },
  },
  'audit-unavailable': {
    status: 503,
    title: { en: 'The audit log is not available', zh: '审计日志不可用' },
    detail: {
      en: 'The exchange could not be written to the audit log, so nothing was released; try again later.',
      zh: '无法写入审计日志，因此未提供任何数据；请稍后重试。',
    },
  },
  'store-unavailable': {
    status: 503,
    title: { en: 'The data store is not available', zh: '数据存储不可用' },
    detail: { en: 'The data store does not answer; try again later.', zh: '数据存储没有响应；请稍后重试。' },
  },
  overloaded: {
    status: 503,
    title: { en: 'The gateway is overloaded', zh: '网关过载' },
    detail: { en: 'The gateway has too much work; try again later.', zh: '网关过载；请稍后重试。' },
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;
