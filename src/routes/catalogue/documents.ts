import { listParameters, pageSchema } from '../list-page.ts';
import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { answerHeaders } from '../answer.ts';

const date = (description: string): object => ({ type: ['string', 'null'], format: 'date', description });
const text = (description: string): object => ({ type: 'string', description });

const versionSchema = {
  type: 'object',
  required: ['version', 'path', 'schema', 'deprecated', 'sunset'],
  additionalProperties: false,
  properties: {
    version: { type: 'integer', minimum: 1 },
    path: text('Where the version is asked for: `/read` and the like follow.'),
    schema: text('Where its JSON Schema is.'),
    deprecated: date('Since when it is on its way out; null where it is not.'),
    sunset: date('From when on it is no longer served; null while that is open.'),
  },
};

const datasetProperties = {
  dataset: text('Its name, as in paths and grants.'),
  title: ref('schemas', 'Text'),
  description: ref('schemas', 'Text'),
  provider: text('The department that answers for the records, and decides who may see them.'),
  sharing: {
    type: 'string',
    enum: ['unconditional', 'conditional', 'prohibited'],
    description: 'Under which condition it is shared.',
  },
  personal: { type: 'boolean', description: 'Whether its subjects are natural persons.' },
  key: text("The field that holds the subject's id."),
  versions: { type: 'array', items: versionSchema, description: 'The versions, the newest first.' },
};

const fieldSchema = {
  type: 'object',
  required: ['name', 'title', 'description', 'type', 'format', 'level', 'masked', 'searchable', 'granted_as'],
  additionalProperties: false,
  properties: {
    name: text('Its name in the newest version.'),
    title: ref('schemas', 'Text'),
    description: ref('schemas', 'Text'),
    type: { type: 'string', enum: ['string', 'integer', 'number', 'boolean'] },
    format: { type: ['string', 'null'], description: 'The format of its values, where they have one.' },
    level: { type: 'string', enum: ['L1', 'L2', 'L3', 'L4'], description: 'How sensitive it is.' },
    masked: { type: 'boolean', description: 'Whether it is masked unless a grant says plain.' },
    searchable: { type: 'boolean', description: 'Whether records are searched by it.' },
    granted_as: text('What grants call it, in whatever version.'),
  },
};

const datasetSchema = {
  type: 'object',
  required: Object.keys(datasetProperties),
  additionalProperties: false,
  properties: datasetProperties,
};
const detailedSchema = {
  type: 'object',
  required: [...Object.keys(datasetProperties), 'fields'],
  additionalProperties: false,
  properties: { ...datasetProperties, fields: { type: 'array', items: fieldSchema } },
};

const example = {
  dataset: 'example',
  title: { zh: '示例', en: 'Example' },
  description: { zh: '每个示例一条记录。', en: 'One record an example.' },
  provider: 'example-department',
  sharing: 'conditional',
  personal: false,
  key: 'id',
  versions: [
    {
      version: 1,
      path: '/v1/example',
      schema: '/v1/catalogue/example/schema?version=1',
      deprecated: null,
      sunset: null,
    },
  ],
};
const fieldExample = {
  name: 'name',
  title: { zh: '名称', en: 'Name' },
  description: { zh: '登记的名称。', en: 'Name as registered.' },
  type: 'string',
  format: null,
  level: 'L2',
  masked: false,
  searchable: true,
  granted_as: 'name',
};

const language = ref('parameters', 'AcceptLanguage');
const datasetParameter = {
  name: 'dataset',
  in: 'path',
  required: true,
  description: 'The name of a dataset.',
  schema: { type: 'string' },
  example: 'example',
};

export const listOperation: OperationObject = {
  operationId: 'listDatasets',
  summary: 'The datasets that departments share',
  tags: ['Catalogue and grants'],
  parameters: [...listParameters, language],
  responses: {
    200: {
      description: 'A page of datasets, by name.',
      headers: answerHeaders,
      content: json(pageSchema(datasetSchema), { items: [example], next: null }),
    },
    ...refusalsOf({}, 'invalid-request'),
  },
};

export const datasetOperation: OperationObject = {
  operationId: 'getDataset',
  summary: 'A dataset with its fields',
  description:
    'The fields are those of the newest version; grants name them by `granted_as` in every version.',
  tags: ['Catalogue and grants'],
  parameters: [datasetParameter, language],
  responses: {
    200: {
      description: 'The dataset.',
      headers: answerHeaders,
      content: json(detailedSchema, { ...example, fields: [fieldExample] }),
    },
    ...refusalsOf({}, 'not-found'),
  },
};

export const schemaOperation: OperationObject = {
  operationId: 'getDatasetSchema',
  summary: 'The JSON Schema of a dataset',
  description:
    'JSON Schema 2020-12 of a record of one version, with annotations: `x-zh` has titles and descriptions in Chinese, ' +
    '`x-dataset` who provides it and how sensitive its fields are.',
  tags: ['Catalogue and grants'],
  parameters: [
    datasetParameter,
    {
      name: 'version',
      in: 'query',
      required: false,
      description: 'Which version; the newest when absent.',
      schema: { type: 'integer', minimum: 1, maximum: 999 },
      example: 1,
    },
    language,
  ],
  responses: {
    200: {
      description: 'The schema.',
      headers: answerHeaders,
      content: {
        'application/schema+json': {
          schema: { type: 'object', additionalProperties: true },
          example: { $id: 'example', type: 'object', properties: { id: { type: 'string' } } },
        },
      },
    },
    ...refusalsOf({}, 'invalid-request', 'not-found'),
  },
};
