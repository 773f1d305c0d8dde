import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { indexParameter, officialParameter } from './documents.ts';
import { answerHeaders } from '../answer.ts';

/** The body of an opening. */
export const openBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: {
    reason: {
      type: 'string',
      minLength: 10,
      maxLength: 1000,
      description:
        "Why it is opened, in the auditor's own words. It goes into the log as it is and stays there: name the matter, " +
        'never a person or an id.',
    },
  },
} as const;

const example = {
  index: 41,
  entry: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
  dataset: 'example',
  sealed: 'AAAAAAABAAAAAAAAm0W0…',
  data_key: '8d7c3f0e-2f6b-4a57-9a0e-0b5a1c9d7e21',
  wrapped_key: {
    algorithm: 'X25519-HKDF-SHA256-AES256GCM',
    audit_key: 'kKc2mQx0Jq0m1l0pXo2t8A',
    ephemeral: 'bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0',
    wrapped: 'Xcmnn…',
  },
  opening: 57,
};

const text = (description: string): object => ({ type: 'string', description });

export const openOperation: OperationObject = {
  operationId: 'openEntry',
  summary: 'Whom an entry was about, sealed for the audit office',
  description:
    "Answers the entry's sealed subjects and the wrapped data key, nothing plain: `onevisit audit open --key FILE` " +
    "opens the answer on the auditor's machine, with the audit office's private key, which no gateway holds. The " +
    'opening is an entry of kind `open`, with its reason, before the answer.',
  tags: ['Audit'],
  parameters: [
    indexParameter,
    officialParameter,
    ref('parameters', 'AcceptLanguage'),
    ref('parameters', 'Traceparent'),
  ],
  requestBody: {
    required: true,
    content: json(openBodySchema, { reason: 'Complaint 2026-17: check who was looked up on that evening' }),
  },
  responses: {
    200: {
      description: 'What the audit office opens with its key.',
      headers: answerHeaders,
      content: json(
        {
          type: 'object',
          required: ['index', 'entry', 'sealed', 'data_key', 'wrapped_key', 'opening'],
          additionalProperties: false,
          properties: {
            index: { type: 'integer', minimum: 0, description: 'Where the entry stands.' },
            entry: text("The entry's id: the additional data of the seal."),
            dataset: text('The dataset that the entry names.'),
            sealed: text('Nonce ‖ AES-256-GCM ciphertext ‖ tag of the ids, a line each, base64url.'),
            data_key: text("The data key's id: the additional data of its wrapping."),
            wrapped_key: {
              type: 'object',
              required: ['algorithm', 'audit_key', 'ephemeral', 'wrapped'],
              additionalProperties: false,
              properties: {
                algorithm: text('How the data key is wrapped.'),
                audit_key: text("Id of the audit office's key that opens it."),
                ephemeral: text('Public X25519 key that was made for the wrapping, base64url.'),
                wrapped: text('Nonce ‖ AES-256-GCM ciphertext ‖ tag of the data key, base64url.'),
              },
            },
            opening: { type: 'integer', minimum: 0, description: 'Index of the entry of this opening.' },
          },
        },
        example,
      ),
    },
    ...refusalsOf(
      { scope: true, body: true, official: true, log: true },
      'invalid-request',
      'not-found',
      'nothing-sealed',
    ),
  },
};
