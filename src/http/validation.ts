import type { ErrorObject } from 'ajv';
import localizeEn from 'ajv-i18n/localize/en/index.js';
import localizeZh from 'ajv-i18n/localize/zh/index.js';
import { ProblemError, type Fault } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';

/** The package is CommonJS, and its types say otherwise. Of its languages, each module has one. */
const localize = { en: localizeEn, zh: localizeZh } as unknown as Record<
  keyof Text,
  (errors: ErrorObject[]) => void
>;

/** Why a body that a schema refuses is refused; its faults say where. */
export const malformedBody: Text = {
  en: 'a member is missing, unknown or malformed',
  zh: '有成员缺失、未知或格式错误',
};

/** Turns Ajv's errors into faults with a pointer (RFC 6901, as a fragment) and a text in both languages. */
export function faultsOf(errors: readonly ErrorObject[] | null | undefined): Fault[] {
  const english = (errors ?? []).map((error) => ({ ...error }));
  const chinese = (errors ?? []).map((error) => ({ ...error }));
  localize.en(english);
  localize.zh(chinese);
  return english.map(({ instancePath, message, params }, i) => ({
    pointer: `#${instancePath}${unknownMember(params)}`,
    detail: { en: message ?? 'is invalid', zh: chinese[i]?.message ?? '无效' },
  }));
}

/** The pointer to a member that should not be there, when its name is one that a member could have. */
function unknownMember(params: Record<string, unknown>): string {
  const name = params.additionalProperty;
  return typeof name === 'string' && /^[a-z_]\w{0,62}$/i.test(name) && !/\d{6}/.test(name) ? `/${name}` : '';
}

/** The problem of one member of a body. */
export function invalidBody(pointer: string, detail: Fault['detail']): ProblemError {
  return new ProblemError('invalid-request', { reason: malformedBody }, { errors: [{ pointer, detail }] });
}
