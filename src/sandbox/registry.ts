import type { GrantTerms } from '../grants/administer-grants.ts';
import type { PurposeSummary } from '../grants/purposes.ts';
import type { Department } from '../identity/departments-and-clients.ts';

/** The sandbox's departments, and what the one client of each may do. */
export const sandboxDepartments: (Department & { roles: string[] })[] = [
  { code: 'public-security', title: { en: 'Public Security', zh: '公安厅' }, roles: ['provide'] },
  { code: 'market-regulation', title: { en: 'Market Regulation', zh: '市场监督管理局' }, roles: ['provide'] },
  { code: 'civil-affairs', title: { en: 'Civil Affairs', zh: '民政厅' }, roles: ['exchange'] },
  {
    code: 'human-resources',
    title: { en: 'Human Resources and Social Security', zh: '人力资源和社会保障厅' },
    roles: ['exchange'],
  },
  { code: 'taxation', title: { en: 'Taxation', zh: '税务局' }, roles: ['exchange'] },
  {
    code: 'service-portal',
    title: { en: 'Government Service Portal', zh: '政务服务网' },
    roles: ['disclose'],
  },
  { code: 'audit-office', title: { en: 'Audit Office', zh: '审计厅' }, roles: ['audit'] },
  { code: 'data-bureau', title: { en: 'Data Bureau', zh: '数据局' }, roles: ['admin'] },
];

export const sandboxPurposes: PurposeSummary[] = [
  {
    code: 'marriage-registration',
    title: { en: 'Marriage registration', zh: '婚姻登记' },
    legal_basis: '婚姻登记条例 (Regulation on Marriage Registration)',
    requires: [],
    confidential_days: 0,
  },
  {
    code: 'social-assistance',
    title: { en: 'Review of social assistance', zh: '社会救助审核' },
    legal_basis: '社会救助暂行办法 (Interim Measures for Social Assistance)',
    requires: ['case', 'official'],
    confidential_days: 0,
  },
  {
    code: 'social-insurance',
    title: { en: 'Enrolment in social insurance', zh: '社会保险参保登记' },
    legal_basis: '社会保险法 (Social Insurance Law)',
    requires: [],
    confidential_days: 0,
  },
  {
    code: 'tax-assessment',
    title: { en: 'Tax assessment', zh: '税务评估' },
    legal_basis: '税收征收管理法 (Law on the Administration of Tax Collection)',
    requires: [],
    confidential_days: 0,
  },
];

/** The sandbox's grants; `validDays` counts the days of beginning and end from the first start. */
export const sandboxGrants: (Omit<GrantTerms, 'validFrom' | 'validUntil'> & {
  validDays: [number, number];
})[] = [
  {
    consumer: 'civil-affairs',
    dataset: 'citizens',
    fields: [
      'id',
      'name',
      'sex',
      'birth_date',
      'household_address',
      'phone',
      'marital_status',
      'deceased_on',
    ],
    plainFields: ['id'],
    purposes: ['marriage-registration', 'social-assistance'],
    validDays: [-30, 365],
  },
  {
    consumer: 'taxation',
    dataset: 'enterprises',
    fields: [
      'id',
      'name',
      'type',
      'legal_representative',
      'legal_representative_id',
      'registered_capital',
      'established_on',
      'status',
      'industry_code',
    ],
    plainFields: [],
    purposes: ['tax-assessment'],
    validDays: [-30, 365],
  },
  {
    consumer: 'human-resources',
    dataset: 'citizens',
    fields: ['id', 'name', 'birth_date'],
    plainFields: [],
    purposes: ['social-insurance'],
    validDays: [-365, -1],
  },
  {
    consumer: 'human-resources',
    dataset: 'enterprises',
    fields: ['id', 'name', 'status'],
    plainFields: [],
    purposes: ['social-insurance'],
    validDays: [-30, 365],
  },
  {
    consumer: 'taxation',
    dataset: 'citizens',
    fields: ['id', 'name'],
    plainFields: [],
    purposes: ['tax-assessment'],
    status: 'suspended',
    reason: 'Under review by the provider',
    validDays: [-30, 365],
  },
];
