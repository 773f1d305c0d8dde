import { setTimeout as sleep } from 'node:timers/promises';
import { openCheckpoint } from '../../transparency/checkpoint.ts';
import type { LogKeys } from '../log-keys.ts';
import { emptyRoot } from '../../transparency/merkle.ts';
import { NoteError } from '../../transparency/note.ts';
import { findLastCheckpoint, type PublishedCheckpoint, type Queryable } from '../stored-log.ts';
import {
  linkWitness,
  WitnessError,
  WitnessObjectionError,
  type Cosigned,
  type WitnessAddress,
  type WitnessLink,
} from './witness-client.ts';

/** The background stage that shows each new checkpoint to the witnesses. */
export interface CosignStage {
  /** Resolves once every witness was asked what it has seen, or could not be reached. */
  asked: Promise<void>;
  /** Why nothing may be signed: a witness has seen what the log lacks, when it was asked last. Null while all is well. */
  objection: () => string | null;
  /** A checkpoint's note with the signatures of the witnesses that have cosigned it so far. */
  cosigned: (note: string) => string;
  stop(): Promise<void>;
}

export interface CosignOptions {
  db: Queryable;
  witnesses: readonly WitnessAddress[];
  /** The log's own keys: what they have not signed is shown to nobody. */
  keys: LogKeys;
  /** A signed checkpoint of no entries: it asks what a witness has seen while there is no other. */
  emptyNote: string;
  /** Hears each new objection. */
  onObjection: (objection: string) => void;
  /** Hears of a witness that can't be reached, or does not cosign, and why; it is asked again. */
  onFailure: (witness: string, error: unknown) => void;
}

const pauseMs = 500;
/** A witness that is away is asked less often. */
const maxPauseMs = 10_000;

/** Starts the stage: a loop a witness, so that none waits for another. */
export function startCosignStage(options: CosignOptions): CosignStage {
  const { db, witnesses, keys, emptyNote, onObjection, onFailure } = options;
  const ended = new AbortController();
  /** What each witness has cosigned last. */
  const known = new Map<WitnessLink, Cosigned>();
  const objections = new Map<WitnessLink, string>();

  async function follow(link: WitnessLink, onAsked: () => void): Promise<void> {
    let failures = 0;
    while (!ended.signal.aborted) {
      try {
        await showLast(link);
        objections.delete(link);
        failures = 0;
        onAsked();
      } catch (error) {
        if (error instanceof WitnessObjectionError) object(link, error.message);
        else onFailure(link.verifier.name, error);
        failures++;
        // Where the database failed, nobody was asked.
        if (error instanceof WitnessObjectionError || error instanceof WitnessError) onAsked();
      }
      const pause = Math.min(maxPauseMs, pauseMs * 2 ** failures);
      await sleep(pause, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  /** It holds until the witness says otherwise: what is not there does not come back by itself. */
  function object(link: WitnessLink, objection: string): void {
    if (objections.get(link) === objection) return;
    objections.set(link, objection);
    onObjection(objection);
  }

  async function showLast(link: WitnessLink): Promise<void> {
    const found = await findLast();
    // A log that was opened anew under another name goes on elsewhere.
    if (keys.all().at(-1)!.name !== keys.own.name) return;
    const last = found ?? { size: 0, root: emptyRoot, note: emptyNote };
    if (last.note !== known.get(link)?.note) known.set(link, await link.show(last));
  }

  /** Of this log, and not of the one that it was before it was opened anew; what nobody has signed, others judge. */
  async function findLast(): Promise<PublishedCheckpoint | null> {
    const last = await findLastCheckpoint(db);
    // The keys are read after the checkpoint, so that the key which signed it is among them.
    await keys.refresh(db);
    try {
      return last !== null && openCheckpoint(last.note, keys.all()).origin === keys.own.name ? last : null;
    } catch (error) {
      if (error instanceof NoteError) return null;
      throw error;
    }
  }

  const links = witnesses.map((witness) => linkWitness(db, witness, findLast));
  const loops: Promise<void>[] = [];
  const asked = links.map((link) => new Promise<void>((onAsked) => void loops.push(follow(link, onAsked))));
  return {
    asked: Promise.all(asked).then(() => undefined),
    objection: () => [...objections.values()][0] ?? null,
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
