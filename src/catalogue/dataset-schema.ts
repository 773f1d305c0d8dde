/**
 * How many years entries of a dataset's exchanges are kept where its file does not say, and the fewest that it may say:
 * the records of having provided personal information and important data to others (Network Data Security Management
 * Regulations, 2025, art. 12).
 */
export const leastRetentionYears = 3;

/** What a file in `schemas/` must look like: a JSON Schema (2020-12) of a flat record, with annotations. */
export const datasetSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['$schema', '$id', 'title', 'description', 'x-zh', 'type', 'properties', 'x-dataset'],
  properties: {
    $schema: { const: 'https://json-schema.org/draft/2020-12/schema' },
    $id: { type: 'string', pattern: '^[a-z][a-z0-9_]{1,62}$' },
    title: { type: 'string', minLength: 1 },
    description: { type: 'string', minLength: 1 },
    'x-zh': { $ref: '#/$defs/translation' },
    type: { const: 'object' },
    additionalProperties: { const: false },
    required: { type: 'array', items: { type: 'string' } },
    properties: {
      type: 'object',
      minProperties: 1,
      maxProperties: 200,
      propertyNames: { pattern: '^[a-z][a-z0-9_]{0,62}$' },
      additionalProperties: { $ref: '#/$defs/property' },
    },
    'x-dataset': {
      type: 'object',
      additionalProperties: false,
      required: ['provider', 'key', 'personal', 'sharing', 'fields'],
      properties: {
        provider: { type: 'string', pattern: '^[a-z][a-z0-9-]{1,62}$' },
        key: { type: 'string' },
        as_of: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,62}$' },
        personal: { type: 'boolean' },
        sharing: { enum: ['unconditional', 'conditional', 'prohibited'] },
        retention_years: { type: 'integer', minimum: leastRetentionYears, maximum: 100 },
        deprecated: { type: 'string' },
        sunset: { type: 'string' },
        fields: { type: 'object', additionalProperties: { $ref: '#/$defs/annotation' } },
      },
    },
  },
  $defs: {
    translation: {
      type: 'object',
      additionalProperties: false,
      required: ['title', 'description'],
      properties: {
        title: { type: 'string', minLength: 1 },
        description: { type: 'string', minLength: 1 },
      },
    },
    property: {
      type: 'object',
      required: ['type', 'title', 'description', 'x-zh', 'examples'],
      properties: {
        type: { enum: ['string', 'integer', 'number', 'boolean'] },
        title: { type: 'string', minLength: 1 },
        description: { type: 'string', minLength: 1 },
        'x-zh': { $ref: '#/$defs/translation' },
        examples: { type: 'array', minItems: 1 },
      },
    },
    annotation: {
      type: 'object',
      additionalProperties: false,
      required: ['level', 'searchable'],
      properties: {
        level: { enum: ['L1', 'L2', 'L3', 'L4'] },
        searchable: { type: 'boolean' },
        formerly: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,62}$' },
        subject: { type: 'string', pattern: '^[a-z][a-z0-9_]{1,62}$' },
        person: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,62}$' },
        mask: {
          type: 'object',
          additionalProperties: false,
          required: ['keep_start', 'keep_end'],
          properties: {
            keep_start: { type: 'integer', minimum: 0, maximum: 64 },
            keep_end: { type: 'integer', minimum: 0, maximum: 64 },
          },
        },
      },
    },
  },
} as const;

/** Names that a dataset can't have: the gateway's own routes below a version begin with them. */
export const reservedDatasetNames = new Set([
  'audit',
  'catalogue',
  'disclosures',
  'exchanges',
  'grants',
  'me',
  'purposes',
]);

/** Names that a field can't have: they are members or parameters of data requests. */
export const reservedFieldNames = new Set(['after', 'claims', 'fields', 'ids', 'limit', 'meta', 'where']);
