import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';

/** Guides to the codes of limits and of what fails on the gateway's side (status 429 and from 500 on). */
export const limitGuides = {
  'quota-exceeded': {
    zh: {
      cause:
        '授权规定了每日可查询的主体数量，本次请求将超出当日剩余的数量，因此整个请求被拒绝，未提供任何数据。配额按网关所在时区的自然日计算，以所请求的主体计数，无记录的也计入。',
      fix: [
        '停止当日的批处理，次日零时（网关所在时区）之后继续；当日重试没有用处。',
        '一次请求多个主体的，较小的批量当日可能仍可使用。',
        '检查是否存在循环或重复查询：同一事项中已取得的数据不必再取。',
        '业务量确有增长的，请申请提高配额；把批处理均匀安排到各日。',
      ],
      ask: '数据提供部门的数据共享联系人；由其决定授权的每日配额。',
    },
    en: {
      cause:
        'The grant says how many subjects may be asked for in a day, and this request would exceed what is left, so all of it is refused and nothing was released. A day is a calendar day in the time zone of the gateway; subjects count when they are asked for, whether or not there is a record.',
      fix: [
        'Stop the batch for today, and go on after midnight in the time zone of the gateway; trying again on the same day does not help.',
        'If one request asks for many subjects, a smaller one may still fit today.',
        'Look for loops and repeated reads: what a case already has need not be asked for again.',
        'If there is more work than before, apply for a larger quota, and spread batches over the days.',
      ],
      ask: 'The data contact of the providing department, which decides on the quota of a grant.',
    },
  },
  'rate-limited': {
    zh: {
      cause:
        '短时间内的请求次数超过了限制，限制见 `detail`。该请求未被处理，未提供任何数据，也未记入审计日志。',
      fix: [
        '按 `Retry-After` 所示的秒数等待后再试；再次受限时逐次加倍等待，并加入随机量。',
        '在客户端限制并发数和每秒请求数，不要在一个时点集中发出全部请求。',
        '缓存访问令牌，不要每次请求都重新获取。',
        '检查失败后是否立即无限重试。',
      ],
      ask: '如果正常业务量长期受限，请联系网关运维人员，并说明每秒请求数和高峰时段。',
    },
    en: {
      cause:
        'More requests came in a short time than the limit in `detail` allows. This one was not handled, nothing was released, and it is not in the audit log.',
      fix: [
        'Wait for the seconds in `Retry-After`, then try again; when it comes again, wait twice as long each time, with some randomness.',
        'Bound the concurrency and the rate in your client, and do not send everything at one moment.',
        'Keep access tokens instead of getting one for every request.',
        'Look for code that tries again at once and without end when something fails.',
      ],
      ask: 'If ordinary work is limited day after day, the operator of the gateway, with your requests a second and your busy hours.',
    },
  },
  'guess-limit': {
    zh: {
      cause:
        '本部门当日对同一主体的核验次数已达上限，见 `detail`。限制次数是为了防止用反复核验的方式猜出数据。',
      fix: [
        '停止对该主体的核验，次日再试；换用本部门的其他客户端也计入同一上限。',
        '核验不一致时，请当事人更正或确认其所述内容，不要由程序逐一尝试。',
        '在一次请求中同时核验多项内容，不要逐项分次核验。',
        '如果办理事项需要的是数据本身，请申请读取相应字段的授权。',
      ],
      ask: '如果正常办理事项也会达到上限，请联系网关运维人员；需要读取授权的，联系数据提供部门的数据共享联系人。',
    },
    en: {
      cause:
        'Your department has verified claims about this subject as often as it may in a day; `detail` names the limit. The limit keeps data from being guessed by asking again and again.',
      fix: [
        'Stop verifying this subject until tomorrow; other clients of your department count towards the same limit.',
        'On a mismatch, let the person correct or confirm what they say; do not let a program try values.',
        'Verify several claims in one request, not one request a claim.',
        'If the case needs the data itself, apply for a grant to read those fields.',
      ],
      ask: 'The operator of the gateway, if ordinary cases reach the limit; the data contact of the providing department, for a grant to read.',
    },
  },
  'internal-error': {
    zh: {
      cause: '网关在处理请求时发生了未预料的错误。责任在网关一方，请求不一定有问题；未提供任何数据。',
      fix: [
        '稍等后重试一两次；重复请求数据是安全的。',
        '同样的请求每次都失败的，请停止重试并报告。',
        '记下 `instance` 和发生时间：详细原因只在网关的日志中，应答不予透露。',
      ],
      ask: '网关运维人员，并提供 `instance` 和时间。',
    },
    en: {
      cause:
        'The gateway failed in a way that was not foreseen. The fault is on its side, not necessarily in the request; nothing was released.',
      fix: [
        'Wait a moment and try once or twice more; repeating a data request is safe.',
        'If the same request fails every time, stop and report it.',
        "Keep `instance` and the time: the cause is in the gateway's own logs alone, and no answer tells it.",
      ],
      ask: 'The operator of the gateway, with `instance` and the time.',
    },
  },
  'audit-unavailable': {
    zh: {
      cause:
        '网关须先将本次请求可靠地写入审计日志，才提供数据；此次无法确认已经写入，因此未提供任何数据。查询日志时出现此错误，说明日志当前无法完整读出。',
      fix: [
        '按 `Retry-After` 等待后重试，逐次加倍等待，并加入随机量；重复请求数据是安全的。',
        '每次重试都是一次新的请求；审计日志中可能已有本次请求的条目，并不表示提供了数据。',
        '持续数分钟以上的，请告知业务人员改用其他办理方式，并减少重试。',
      ],
      ask: '网关运维人员，可先查看 `GET /readyz`；持续存在或在查询日志时出现的，请立即报告。',
    },
    en: {
      cause:
        'The gateway releases data only once the request is durably in the audit log. This time it could not make sure of that, so nothing was released. Where the log itself is asked for, it can not be read whole at present.',
      fix: [
        'Wait as `Retry-After` says and try again, twice as long each time, with some randomness; repeating a data request is safe.',
        'Each attempt is a request of its own; the log may hold an entry of this one, which does not mean that data left.',
        'If it lasts for minutes, tell the officials to handle their cases without it, and try less often.',
      ],
      ask: 'The operator of the gateway (`GET /readyz` shows what is wrong): at once when it lasts, or comes from reading the log.',
    },
  },
  'store-unavailable': {
    zh: {
      cause: '存放数据的数据库没有响应，网关无法读取。未提供任何数据；数据请求因此失败的，不记入审计日志。',
      fix: [
        '按 `Retry-After` 等待后重试，逐次加倍等待，并加入随机量；重复请求数据是安全的。',
        '数据库切换通常在一分钟内完成；批处理应能从中断处继续。',
        '不要把它当作“无记录”：此时并不知道有没有记录。',
      ],
      ask: '网关运维人员；持续数分钟以上的，请提供 `instance` 和开始时间。',
    },
    en: {
      cause:
        'The database that holds the data does not answer, so the gateway can not read it. Nothing was released; a data request that fails for this is not in the audit log.',
      fix: [
        'Wait as `Retry-After` says and try again, twice as long each time, with some randomness; repeating a data request is safe.',
        'A database usually changes over within a minute; make batches go on where they were interrupted.',
        'Do not take it for an absent record: whether there is one is not known.',
      ],
      ask: 'The operator of the gateway; if it lasts for minutes, with `instance` and the time when it began.',
    },
  },
  overloaded: {
    zh: {
      cause: '等待处理的请求过多，网关拒绝了本次请求，以免所有请求都变慢。未提供任何数据，也未记入审计日志。',
      fix: [
        '按 `Retry-After` 等待后重试，逐次加倍等待，并加入随机量，以免所有客户端同时重试。',
        '降低并发数；把批处理安排在夜间或业务低谷时段。',
        '为客户端设置超时，已经放弃的请求不要继续占用连接。',
      ],
      ask: '网关运维人员；请说明并发数和时间，由其判断是否需要增加网关。',
    },
    en: {
      cause:
        'Too many requests wait to be handled, and the gateway refuses this one rather than let all of them become slow. Nothing was released, and it is not in the audit log.',
      fix: [
        'Wait as `Retry-After` says and try again, twice as long each time, with some randomness, so that clients do not all come back at once.',
        'Lower the concurrency, and run batches at night or when there is little to do.',
        'Give your client a timeout, and do not let requests that it gave up hold connections.',
      ],
      ask: 'The operator of the gateway, with your concurrency and the time, to judge whether more gateways are needed.',
    },
  },
} satisfies Partial<Record<ErrorCode, Guide>>;
