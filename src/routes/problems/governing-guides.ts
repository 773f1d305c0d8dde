import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';

/** Guides to the codes that refuse acts on grants and purposes. */
export const governingGuides = {
  'grant-state-conflict': {
    zh: {
      cause:
        '该授权当前的状态不允许此操作，例如已批准的申请不能再次批准，已撤销的授权不能恢复；当前状态见 `detail`。未作任何更改。',
      fix: [
        '用 `GET /v1/grants/{id}` 查看当前状态，用 `GET /v1/grants/{id}/history` 查看由谁在何时更改。',
        '请求可能已经成功过一次而应答丢失：重试时使用同一个 `Idempotency-Key`，即可得到当时的应答。',
        '已拒绝、已撤回、已撤销的授权不能恢复，请重新申请；已过期的可用 `renew` 续期。',
      ],
      ask: '状态由谁、因何更改，请询问数据提供部门的数据共享联系人；操作记录在审计日志中。',
    },
    en: {
      cause:
        'What the grant is now does not allow the act: an application that was approved is not approved again, a grant that was revoked is not resumed; `detail` names the state. Nothing was changed.',
      fix: [
        'See with `GET /v1/grants/{id}` what it is now, and with `GET /v1/grants/{id}/history` who changed it and when.',
        'The request may have been carried out before, and its answer lost: try again with the same `Idempotency-Key`, and you get the answer of then.',
        'What was rejected, withdrawn or revoked does not come back: apply anew. What has expired can be continued by `renew`.',
      ],
      ask: 'The data contact of the providing department, who changed it and why; the act is in the audit log.',
    },
  },
  'step-not-yours': {
    zh: {
      cause:
        '令牌的权限范围足够，但按 `explain` 中的规则，本部门不能对该授权执行此操作：例如只有提供部门可以批准，任何部门不得决定本部门的申请。未作任何更改。',
      fix: [
        '查看应答中的 `explain`：它说明规则，并在可以由提供部门执行时给出该部门的代码。',
        '申请逾期（见该授权的 `due`）之后，管理员也可以批准或拒绝。',
        '撤回和续期只能由申请部门的客户端进行，请使用该部门的令牌。',
      ],
      ask: '请联系数据提供部门的数据共享联系人；逾期未决的，请联系网关主管部门的管理员。',
    },
    en: {
      cause:
        'The scope of the token is enough, but by the rule in `explain` the department may not do that with this grant: only the provider approves, say, and nobody decides an application of their own department. Nothing was changed.',
      fix: [
        'Look at `explain` in the answer: it says the rule, and names the provider where that could take the step.',
        'Once the application is overdue (`due` of the grant), an administrator may approve or reject it as well.',
        'Only a client of the consumer withdraws and renews: use a token of that department.',
      ],
      ask: 'The data contact of the providing department; the administrators of the gateway, when an application is overdue.',
    },
  },
  'purpose-exists': {
    zh: {
      cause: '已有同一代码的用途。用途一经登记即不可更改，因为授权和审计日志都引用它。',
      fix: [
        '用 `GET /v1/purposes` 查看已登记的用途；如果内容一致，直接使用即可。',
        '如果法律依据或要求不同，请以另一个代码登记。',
        '如果是重试，请使用同一个 `Idempotency-Key`，即可得到首次的应答。',
      ],
      ask: '应当使用哪个用途，请询问网关主管部门的管理员。',
    },
    en: {
      cause:
        'There is a purpose of that code. What is registered is never changed, because grants and the audit log refer to it.',
      fix: [
        'See with `GET /v1/purposes` what is registered; if it says the same, use it.',
        'If its legal basis or what it demands is another, register it under another code.',
        'If this was another try, send the same `Idempotency-Key`, and you get the first answer.',
      ],
      ask: 'The administrators of the gateway, which purpose to use.',
    },
  },
  'idempotency-key-reused': {
    zh: {
      cause:
        '`Idempotency-Key` 中的键在 24 小时之内已由同一客户端用于另一个请求：方法、路径或请求体与当时不同。未作任何更改。',
      fix: [
        '每个新的操作使用一个新的键，例如随机的 UUID；只有重试同一操作时才重复使用。',
        '重试时原样发送请求体：空白无关紧要，成员及其顺序必须相同。',
        '不要以申请编号、日期等会重复的内容作为键。',
      ],
      ask: '请开发该客户端的人员处理。',
    },
    en: {
      cause:
        'The key in `Idempotency-Key` was used by the same client within 24 hours with another request: its method, path or body is not the same. Nothing was changed.',
      fix: [
        'Take a new key for each new act, a random UUID say; send the same one only to try the same act again.',
        'Send the body as it was: blanks do not matter, the members and their order do.',
        'Do not make keys of numbers or dates that come again.',
      ],
      ask: 'The developers of your client.',
    },
  },
} satisfies Partial<Record<ErrorCode, Guide>>;
