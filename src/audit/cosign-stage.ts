import { setTimeout as sleep } from 'node:timers/promises';
import { openCheckpoint } from './checkpoint.ts';
import type { LogKeys } from './log-keys.ts';
import { NoteError } from './note.ts';
import { findLastCheckpoint, LogFault, type PublishedCheckpoint, type Queryable } from './tree.ts';
import { linkWitness, type Cosigned, type WitnessAddress, type WitnessLink } from './witness-client.ts';

/** The background stage that shows each new checkpoint to the witnesses. */
export interface CosignStage {
  /** Resolves once every witness was asked what it has seen, or could not be reached. */
  asked: Promise<void>;
  /** A checkpoint's note with the signatures of the witnesses that have cosigned it so far. */
  cosigned: (note: string) => string;
  stop(): Promise<void>;
}

export interface CosignOptions {
  db: Queryable;
  witnesses: readonly WitnessAddress[];
  /** The log's own keys: what they have not signed is shown to nobody. */
  keys: LogKeys;
  /** Hears that a witness has seen what the log lacks: from now on nothing may be signed. */
  onFault: (fault: string) => void;
  /** Hears of a witness that can't be reached, or does not cosign, and why; it is asked again. */
  onFailure: (witness: string, error: unknown) => void;
}

const pauseMs = 500;
/** A witness that is away is asked less often. */
const maxPauseMs = 10_000;

/** Starts the stage: a loop a witness, so that none waits for another. */
export function startCosignStage(options: CosignOptions): CosignStage {
  const { db, witnesses, keys, onFault, onFailure } = options;
  const ended = new AbortController();
  /** What each witness has cosigned last. */
  const known = new Map<WitnessLink, Cosigned>();

  async function follow(link: WitnessLink, onAsked: () => void): Promise<void> {
    let failures = 0;
    while (!ended.signal.aborted) {
      try {
        await showLast(link);
        failures = 0;
      } catch (error) {
        if (error instanceof LogFault) {
          onFault(error.message);
          onAsked();
          return;
        }
        failures++;
        onFailure(link.verifier.name, error);
      }
      onAsked();
      const pause = Math.min(maxPauseMs, pauseMs * 2 ** failures);
      await sleep(pause, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  async function showLast(link: WitnessLink): Promise<void> {
    const last = await findLastCheckpoint(db);
    if (last === null || last.note === known.get(link)?.note || !isOwn(last)) return;
    known.set(link, await link.show(last));
  }

  /** Others are the publishing stage's to judge. */
  function isOwn({ note }: PublishedCheckpoint): boolean {
    try {
      openCheckpoint(note, keys.all());
      return true;
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  }

  const links = witnesses.map((witness) => linkWitness(db, witness));
  const loops: Promise<void>[] = [];
  const asked = links.map((link) => new Promise<void>((onAsked) => void loops.push(follow(link, onAsked))));
  return {
    asked: Promise.all(asked).then(() => undefined),
    cosigned: (note) =>
      note +
      links
        .map((link) => known.get(link))
        .map((cosigned) => (cosigned?.note === note ? cosigned.line : ''))
        .join(''),
    async stop() {
      ended.abort();
      await Promise.all(loops);
    },
  };
}
