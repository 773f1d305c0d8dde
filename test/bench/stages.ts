import type { Profiler } from 'node:inspector';

type Stages = [stage: string, places: RegExp][];

/** The stages of one exchange, each with the places in the code that do its work, wherever they were called from. */
const stages: Stages = [
  ['token', /src\/identity\/|fast-jwt/],
  ['request: body and headers read', /src\/exchange\/request\.ts|src\/headers\.ts|secure-json-parse/],
  ['decision', /src\/exchange\/decision\.ts|src\/grants\/|src\/catalogue\/(?!mask)/],
  ['read: statement sent', /src\/records\/read\.ts/],
  ['projection, masks', /src\/exchange\/projection\.ts|src\/catalogue\/mask\.ts/],
  ['entry: seal', /src\/audit\/seal\.ts/],
  ['entry: hashes', /src\/audit\/(mac|merkle)\.ts|entry\.ts (subjectRef|commitToBody)$/],
  ['entry: canonical bytes', /src\/audit\/entry\.ts/],
  ['append: statement sent', /src\/audit\/append\.ts|src\/db\/binary-array\.ts/],
  ['metrics', /src\/metrics\.ts|prom-client/],
  ['answer: headers and socket', /fastify\/lib\/reply\.js|node:_http_outgoing/],
];

/** For what belongs to none of them: who called it. */
const callers: Stages = [
  ["PostgreSQL's answers taken", /node_modules\/pg/],
  ['HTTP: parser, router, hooks', /node:_http|fastify|find-my-way|src\/(app|routing)\.ts/],
  ['the exchange itself, promises', /src\/|node:internal\/process\/task_queues/],
];

/** What the profiler tells of the engine, by the names that it gives. */
const engine = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'engine, not told apart'],
  ['(idle)', 'idle'],
]);

/**
 * Sums a CPU profile up by stages. A sample counts for the stage that was being worked on, sockets and the engine's
 * own functions included.
 *
 * @returns milliseconds by stage, in the order of the stages
 */
export function sumByStage(profile: Profiler.Profile): Map<string, number> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])),
  );

  /** The innermost frame of the stack that belongs to one of these. */
  function find(id: number, among: Stages): string | null {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { url, functionName } = nodes.get(at)!.callFrame;
      const found = among.find(([, places]) => places.test(`${url} ${functionName}`));
      if (found !== undefined) return found[0];
    }
    return null;
  }

  const stageOf = new Map(
    profile.nodes.map(({ id, callFrame }) => [
      id,
      engine.get(callFrame.functionName) ?? find(id, stages) ?? find(id, callers) ?? 'else',
    ]),
  );
  const order = [...[...stages, ...callers].map(([stage]) => stage), ...engine.values(), 'else'];
  const sums = new Map(order.map((stage) => [stage, 0]));
  profile.samples?.forEach((id, i) => {
    const stage = stageOf.get(id)!;
    sums.set(stage, sums.get(stage)! + (profile.timeDeltas?.[i] ?? 0) / 1000);
  });
  return sums;
}
