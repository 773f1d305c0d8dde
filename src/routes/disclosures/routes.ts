import type { FastifyInstance, FastifyRequest } from 'fastify';
import { answer } from '../answer.ts';
import { type Entry, type Leaf } from '../../audit/entry.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { subjectRef } from '../../audit/subjects.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import type { Catalogue, Dataset } from '../../catalogue/catalogue.ts';
import { openIndex, sealIndex } from '../../http/cursor.ts';
import type { Database } from '../../db/database.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { nameSubjects } from '../../exchange/write-entry.ts';
import type { ExchangeContext } from '../../exchange/exchange.ts';
import { checkId } from '../../exchange/rights.ts';
import { createGate } from '../../http/gate.ts';
import type { Authority } from '../../grants/authority.ts';
import {
  requireLiveClient,
  requireScope,
  type AccessToken,
  type Tokens,
} from '../../identity/access-token.ts';
import type { Admit } from '../../identity/admission.ts';
import { assertionFaults, checkAssertion, type AssertionFault } from '../../identity/assertion.ts';
import { useAssertion } from '../../identity/identity-providers.ts';
import { routeSchema } from '../../http/openapi.ts';
import { findExchanges, presentDisclosure, readDepartmentTitles, type Disclosure } from './disclosures.ts';
import { disclosuresBodySchema, disclosuresOperation } from './documents.ts';
import { invalidBody } from '../../http/validation.ts';

export interface DisclosureRoutesOptions {
  database: Database;
  catalogue: Catalogue;
  context: Pick<ExchangeContext, 'authority' | 'log' | 'secrets' | 'sealer' | 'now'>;
  tokens: Tokens;
  admit: Admit;
  /** The audience of login assertions. */
  issuer: string;
  /** Made-up data alone: the portal's word is enough where there is no assertion. */
  sandbox: boolean;
}

interface DisclosuresBody {
  dataset: string;
  id: string;
  assertion?: string;
  after?: string | null;
  limit?: number;
}

/** What is asked, once it is well formed. */
interface Asked {
  dataset: Dataset;
  id: string;
  refs: string[];
  assertion: string | undefined;
  limit: number;
  before: number | null;
  cursorScope: string;
}

/** On whose word the subject is there, as the entry tells it. */
type LoginProof = { assertion: 'portal' } | { assertion: 'proven'; identity_provider: string };

const defaultLimit = 50;
/** Looks at a time: their statements would keep those of all other looks into the log waiting. */
const maxLooks = 8;

/** The route by which a portal shows subjects who asked for their data. Each look is an entry, before it is answered. */
export function registerDisclosureRoutes(scope: FastifyInstance, options: DisclosureRoutesOptions): void {
  const { database, catalogue, context, tokens, admit, issuer, sandbox } = options;
  const { authority, log, secrets, now } = context;
  const gate = createGate(maxLooks);

  scope.post<{ Body: DisclosuresBody }>(
    '/v1/disclosures',
    {
      onRequest: (request, reply, done) => {
        requireScope(admit(request, reply), 'disclose');
        gate.check();
        done();
      },
      schema: routeSchema(disclosuresOperation, { body: disclosuresBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const official = readOfficial(request);
      const asked = readAsked(request.body, token);
      const login = createLogin(asked);

      const make = async (current: Authority): Promise<Made> => {
        requireLiveClient(current, token);
        const proof = await login(current);
        const enter = (more: Looked): Promise<Leaf> => encodeLook(request, { token, official }, asked, more);
        if (typeof proof === 'string')
          return {
            leaf: await enter({ outcome: 'refused', code: 'invalid-request', details: { assertion: proof } }),
            result: assertionRefused(proof),
          };
        const subject = { dataset: asked.dataset.name, refs: asked.refs };
        const state = { purposes: current.purposes, now: now() };
        const found = await findExchanges(database, subject, state, asked).catch(rethrowAsStoreUnavailable);
        const departments = await readDepartmentTitles(database).catch(rethrowAsStoreUnavailable);
        const { shown, withheld, next } = found;
        const leaf = await enter({
          records: shown.length,
          details: { ...proof, shown: shown.length, withheld },
        });
        const titles = { departments, purposes: current.purposes, catalogue };
        return { leaf, result: { items: shown.map((entry) => presentDisclosure(entry, titles)), next } };
      };
      const { result } = await gate.run(reply.raw, () => recordUnderAuthority(log, authority, make));

      if (result instanceof ProblemError) throw result;
      const { items, next } = result;
      return answer(reply, {
        items,
        next: next === null ? null : sealIndex(secrets.cursorKey, asked.cursorScope, next, now()),
      });
    },
  );

  function readAsked(body: DisclosuresBody, token: AccessToken): Asked {
    const { id, assertion, after, limit = defaultLimit } = body;
    const dataset = catalogue.findNewest(body.dataset);
    if (dataset === null) throw invalidBody('#/dataset', { en: 'is not a dataset', zh: '没有该数据集' });
    if (!dataset.mayHaveId(id)) checkId(dataset, id);
    const refs = [false, true].map((hidden) => subjectRef(secrets, dataset.name, id, hidden));
    const cursorScope = canonicalJson({ disclosures: refs, client: token.clientId });
    const before = after == null ? null : openIndex(secrets.cursorKey, cursorScope, after, now());
    if (after != null && before === null)
      throw invalidBody('#/after', {
        en: 'is not a cursor of this list, or older than a day',
        zh: '不是本列表的游标，或已超过一天',
      });
    return { dataset, id, refs, assertion, limit, before, cursorScope };
  }

  /**
   * Proves the subject's login under an authority, as often as it is asked; the first page uses the assertion up.
   *
   * @throws ProblemError store-unavailable
   */
  function createLogin(asked: Asked): (current: Authority) => Promise<LoginProof | AssertionFault> {
    const { assertion, dataset, id, before } = asked;
    let unused = before === null;
    return async (current) => {
      if (assertion === undefined) return sandbox ? { assertion: 'portal' } : 'missing';
      const expected = { audience: issuer, subject: { dataset: dataset.name, id }, now: now() };
      const proven = checkAssertion(current.identityProviders, assertion, expected);
      if (typeof proven === 'string') return proven;
      if (unused && !(await useAssertion(database, proven).catch(rethrowAsStoreUnavailable))) return 'used';
      unused = false;
      return { assertion: 'proven', identity_provider: proven.issuer };
    };
  }

  /**
   * The entry of a look. It has no consumer: departments find their own entries by that, and what is withheld from the
   * subject is not for the portal either.
   */
  async function encodeLook(
    request: FastifyRequest,
    by: { token: AccessToken; official: string },
    { dataset, id }: Asked,
    { details, ...looked }: Looked,
  ): Promise<Leaf> {
    const subjects = [{ dataset: dataset.name, id }];
    const known = await nameSubjects(context, subjects, request.id);
    return encodeQuery(
      request,
      { ...by, time: now() },
      {
        ...looked,
        operation: 'disclosure',
        consumer: undefined,
        dataset: dataset.name,
        subjects: known.refs,
        sealed: known.sealed,
        data_key: known.dataKeyId,
        subject_key: secrets.subjectKeyId,
        details: { department: by.token.department, ...details },
      },
    );
  }
}

/** A look's entry, and what it answers once that is durable. */
interface Made {
  leaf: Leaf;
  result: ProblemError | { items: Disclosure[]; next: number | null };
}

type Looked = Pick<Entry, 'outcome' | 'code' | 'records'> & { details: Record<string, unknown> };

function assertionRefused(fault: AssertionFault): ProblemError {
  return invalidBody('#/assertion', assertionFaults[fault]);
}
