/** What every document says of the API as a whole. */
export const about = {
  summary: 'A data-sharing API gateway between government departments',
  description:
    "A department's system asks for a citizen's or an enterprise's record that another department keeps. " +
    'The gateway checks who asks and whether they may, writes the exchange to a tamper-evident audit log, ' +
    'and only then answers.\n\n' +
    'Get an access token from `POST /oauth/token` and name a registered purpose in every data request. ' +
    'Every error is a problem (RFC 9457): compare its `code`; `title` and `detail` follow `Accept-Language` ' +
    '(zh, en). An address that does not exist is 404 `route-unknown`; its `detail` names the one that was probably meant.\n\n' +
    'Complete examples for curl, TypeScript, Python and Java are in `docs/integrating.md` of the OneVisit repository.',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
};

/** What operations are grouped by. */
export const tags = [
  {
    name: 'Data requests',
    description: 'Exchanges: each is an entry in the audit log before it is answered.',
  },
  {
    name: 'Catalogue and grants',
    description: 'What there is to ask for, and who may: each act is an entry in the audit log.',
  },
  { name: 'Audit', description: 'Who asked for what.' },
  { name: 'Disclosures', description: 'Who asked for my data: for the subjects themselves.' },
  { name: 'Log', description: 'The transparency log: its checkpoint, tiles and entries.' },
  { name: 'Authentication', description: 'Access tokens (OAuth 2.0 client credentials, RFC 9068).' },
  { name: 'Problems', description: 'What errors mean, as pages for people.' },
  { name: 'Operations', description: 'Health and metrics.' },
];
