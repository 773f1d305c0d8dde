import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';

/** Guides to the codes that refuse a client or its department (status 401 and 403). */
export const permissionGuides = {
  'token-missing': {
    zh: {
      cause: '请求没有带访问令牌：`Authorization` 请求头缺失，或不是 Bearer 方式。',
      fix: [
        '先向 `POST /oauth/token` 获取访问令牌，再以 `Authorization: Bearer <令牌>` 发送请求。',
        '客户端标识和密钥（Basic 方式）只用于获取令牌，不能直接用于请求数据。',
        '如果客户端已经发送，请检查代理或重定向是否去掉了 `Authorization` 请求头。',
      ],
      ask: '没有客户端标识和密钥的，请联系本部门的系统管理员；由其向网关主管部门申请。',
    },
    en: {
      cause:
        'The request came without an access token: the header `Authorization` is missing, or is not of the kind Bearer.',
      fix: [
        'Get a token from `POST /oauth/token`, and send it as `Authorization: Bearer <token>`.',
        'The id and secret of a client (Basic) get a token and nothing else; they do not ask for data.',
        'If your client sends `Authorization`, see whether a proxy or a redirect on the way drops it.',
      ],
      ask: "Your department's own administrator, who has the client's credentials, or asks the administrators of the gateway for them.",
    },
  },
  'token-invalid': {
    zh: {
      cause:
        '网关不认可该访问令牌：令牌被截断或改动，由另一环境的网关签发，或者客户端在令牌签发之后被撤销、被取消了某项角色。',
      fix: [
        '向本网关的 `POST /oauth/token` 重新获取令牌，重试一次。',
        '确认令牌与请求发往同一环境：沙箱的令牌不能用于正式环境，反之亦然。',
        '原样使用令牌：不要加引号、换行或空格，也不要截短；数据库字段长度不足是常见原因。',
        '如果令牌端点返回 `invalid_client`，说明密钥有误或客户端已被撤销，重试无用。',
      ],
      ask: '请本部门的系统管理员确认客户端是否仍然有效；如对撤销有疑问，请联系网关主管部门的管理员。',
    },
    en: {
      cause:
        'The gateway does not accept the token: it was cut short or altered, it was issued by the gateway of another environment, or its client was revoked, or lost a role, after it was issued.',
      fix: [
        'Get a new token from `POST /oauth/token` of this gateway, and try once more.',
        'Send tokens where they come from: those of the sandbox do not work in production, nor the other way round.',
        'Send the token as it is: no quotes, line breaks or blanks, and nothing cut off, as by a column that is too short.',
        'If the token endpoint answers `invalid_client`, the secret is wrong or the client was revoked, and trying again does not help.',
      ],
      ask: "Your department's own administrator, whether the client is still valid; the administrators of the gateway, why it was revoked.",
    },
  },
  'token-expired': {
    zh: {
      cause: '访问令牌已过期。令牌最长有效十分钟，没有刷新令牌。这是正常情况，客户端应当自行处理。',
      fix: [
        '向 `POST /oauth/token` 重新获取令牌，再将该请求重发一次；重复请求数据是安全的。',
        '缓存令牌，并按应答中的 `expires_in`（秒）提前约一分钟更换；不要每次请求都获取新令牌。',
        '多个进程各自缓存即可：获取新令牌并不使旧令牌失效。',
      ],
      ask: '一般无须询问。如果刚获取的令牌即被视为过期，请将 `instance` 告知网关运维人员，由其检查服务器时钟。',
    },
    en: {
      cause:
        'The access token has expired. Tokens live ten minutes at most, and there are no refresh tokens; a client is expected to deal with this by itself.',
      fix: [
        'Get a new token from `POST /oauth/token`, and send the request once more; repeating a data request is safe.',
        'Keep a token, and replace it about a minute before `expires_in` (seconds) is over; do not get one for every request.',
        'Several processes may each keep their own: a new token does not end the one before.',
      ],
      ask: 'Usually nobody. If a token counts as expired right after it was issued, give `instance` to the operator of the gateway, who checks the clocks.',
    },
  },
  'scope-missing': {
    zh: {
      cause:
        '令牌有效，但不具有该接口所需的权限范围；`detail` 列出所需的权限范围。令牌的权限范围不会超出客户端的角色，获取令牌时还可以进一步收窄。',
      fix: [
        '查看令牌端点应答中的 `scope`：不带 `scope` 参数获取令牌，即得到客户端的全部角色。',
        '如果客户端没有该角色，请改用本部门具有该角色的客户端。请求数据须有 `exchange`；审计日志视情形须有 `audit`、`provide` 或 `exchange`。',
        '如果角色是刚刚增加的，请重新获取令牌：旧令牌的权限范围不变。',
      ],
      ask: '需要增加角色的，由本部门的系统管理员向网关主管部门申请。审计角色与管理角色不能授予同一客户端。',
    },
    en: {
      cause:
        'The token is valid, and lacks the scope that this route needs, which `detail` names. A token has no scope that is not a role of its client, and may have been asked for with fewer.',
      fix: [
        'Look at `scope` in the answer of the token endpoint: asked without the parameter `scope`, it gives all roles of the client.',
        'If the client does not have the role, use a client of your department that does. Data requests need `exchange`; the audit log needs `audit`, `provide` or `exchange`, by the route.',
        'If the role was only just added, get a new token: the scopes of an old one stay as they were.',
      ],
      ask: "Your department's own administrator, who asks the administrators of the gateway for a role. The roles audit and admin are never given to one client.",
    },
  },
  'no-grant': {
    zh: {
      cause:
        '本部门没有该数据集的有效授权：从未申请、尚未批准、尚未到生效日期、已被撤销，或授权的字段不属于路径中的版本。个别数据集属于不予共享类，不能授权。未提供任何数据，本次请求已记入审计日志。',
      fix: [
        '确认令牌属于应当使用的部门：授权给予部门，部门见 `detail`。',
        '确认路径中的数据集和版本无误。',
        '向数据提供部门申请授权，写明字段、用途、法律依据和期限；批准后约一秒内生效，无须更换令牌。',
        '在获得授权之前请停止自动重试：每次被拒绝的请求都会记入审计日志。',
      ],
      ask: '数据提供部门的数据共享联系人；应答中的 `explain.granted_by` 即该部门的代码。本部门已申请了哪些授权，请询问本部门的系统管理员。',
    },
    en: {
      cause:
        'Your department has no grant in force for the dataset: it never applied, was not yet approved, the grant has not begun or was revoked, or it has no field of the version in the path. A few datasets are not shared at all, and can not be granted. Nothing was released, and the request is in the audit log.',
      fix: [
        'See that the token is of the right department: grants are given to departments, and `detail` names yours.',
        'See that dataset and version in the path are those you mean.',
        'Apply to the providing department, with fields, purposes, legal basis and end date; a grant counts within a second of being approved, with the token you have.',
        'Stop automatic retries until then: each request that is refused is an entry in the audit log.',
      ],
      ask: "The data contact of the providing department, whose code is in `explain.granted_by`; your department's own administrator, for what was already applied for.",
    },
  },
  'grant-expired': {
    zh: {
      cause:
        '本部门对该数据集的授权已到期，从截止日期当日零时起不再有效，也不会自动延续。未提供任何数据，本次请求已记入审计日志。',
      fix: [
        '向数据提供部门重新申请授权；批准后原请求无须修改即可使用。',
        '在此之前请停止批处理和自动重试，并告知受影响的业务人员改用其他办理方式。',
        '记下各项授权的截止日期，提前申请延续，为审批留出时间。',
      ],
      ask: '数据提供部门的数据共享联系人（部门代码见 `explain.granted_by`）；由本部门负责授权的人员提出申请。',
    },
    en: {
      cause:
        'The grant of your department for the dataset has ended: it no longer counts from the start of its end date, and does not renew itself. Nothing was released, and the request is in the audit log.',
      fix: [
        'Apply to the providing department anew; once that is approved, the same request works as it is.',
        'Until then stop batch jobs and automatic retries, and tell the officials concerned to handle their cases without it.',
        'Keep the end dates of your grants in a calendar, and apply early enough for the decision to be made.',
      ],
      ask: 'The data contact of the providing department (its code is in `explain.granted_by`), through whoever answers for grants in your department.',
    },
  },
  'grant-suspended': {
    zh: {
      cause:
        '本部门对该数据集的授权已被暂停，例如因为需要核查用量或用途。授权并未终止，恢复后即可继续使用。未提供任何数据，本次请求已记入审计日志。',
      fix: [
        '问清暂停的原因并予以处理；程序和请求一般无须修改。',
        '在此期间停止批处理和自动重试：反复请求只会增加审计日志中的拒绝记录。',
        '恢复后约一秒内生效，无须更换令牌。',
      ],
      ask: '数据提供部门的数据共享联系人，其部门代码见 `explain.granted_by`；由其说明暂停的原因以及何时恢复。',
    },
    en: {
      cause:
        'The grant of your department for the dataset is suspended, for example while its use is looked into. It has not ended, and works again once it is resumed. Nothing was released, and the request is in the audit log.',
      fix: [
        'Find out why, and settle that; client and request usually need no change.',
        'Meanwhile stop batch jobs and automatic retries: they only add refusals to the audit log.',
        'Once resumed, the grant counts within a second, with the token you have.',
      ],
      ask: 'The data contact of the providing department, whose code is in `explain.granted_by`: it can say why, and until when.',
    },
  },
  'purpose-not-granted': {
    zh: {
      cause:
        '本部门有该数据集的有效授权，但其中没有一项包含本次请求的用途。授权按用途给予，为其他用途获得的授权不能用于本用途。未提供任何数据，本次请求已记入审计日志。',
      fix: [
        '确认 `Exchange-Purpose` 与正在办理的事项相符；常见的错误是客户端写死了另一个用途。',
        '如果用途属实，请向数据提供部门申请将其列入授权。',
        '不得为取得数据而改填已获授权的其他用途：用途记入审计日志，会与事项核对。',
      ],
      ask: '数据提供部门的数据共享联系人（部门代码见 `explain.granted_by`）；应当使用哪个用途，请询问本部门的业务主管人员。',
    },
    en: {
      cause:
        'Your department has a grant in force for the dataset, and none that names this purpose. Grants are given for purposes, and one for another purpose does not count. Nothing was released, and the request is in the audit log.',
      fix: [
        'See that `Exchange-Purpose` is that of the case being handled; often a client has another one built in.',
        'If the purpose is right, apply to the providing department to have it granted.',
        'Do not name another purpose because it is granted: it is kept in the audit log, and compared with the case.',
      ],
      ask: 'The data contact of the providing department (its code is in `explain.granted_by`); those in your department who answer for the business, for the purpose that fits.',
    },
  },
  'field-not-granted': {
    zh: {
      cause:
        '所请求的字段中，有的未获用于该用途的授权。只要有一个字段未获授权，整个请求即被拒绝，未提供任何数据，本次请求已记入审计日志。未获授权的字段见 `explain.missing_fields`。',
      fix: [
        '从 `fields` 中去掉这些字段后重发；不带 `fields` 时，网关给出就该用途已获授权的全部字段。',
        '确认用途无误：同一字段可能只就另一用途获得了授权。',
        '如果办理事项确需这些字段，请逐个说明理由，向数据提供部门申请。',
      ],
      ask: '数据提供部门的数据共享联系人，其部门代码见 `explain.granted_by`。',
    },
    en: {
      cause:
        'Some of the fields asked for are not granted for this purpose. One such field refuses the whole request: nothing was released, and the request is in the audit log. `explain.missing_fields` lists them.',
      fix: [
        'Send the request again without these fields; without `fields` at all, the gateway gives every field granted for the purpose.',
        'Check the purpose: a field may be granted for another one only.',
        'If the case needs the fields, apply to the providing department, with a reason for each of them.',
      ],
      ask: 'The data contact of the providing department, whose code is in `explain.granted_by`.',
    },
  },
} satisfies Partial<Record<ErrorCode, Guide>>;
